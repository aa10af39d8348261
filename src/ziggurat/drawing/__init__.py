"""Pictures without a model: typed diagrams and procedural scenes, as SVG and PNG."""
