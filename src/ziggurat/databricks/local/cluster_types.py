"""What a cluster can be made of: runtimes and node types, a short list of those that Azure offers.

Data alone. The sizes are Azure's published ones for these virtual machines; the list is far shorter than the
real one, so a declaration that the stand-in refuses for its node type may still be right elsewhere.
"""

from __future__ import annotations

from typing import Any

SPARK_VERSIONS: dict[str, str] = {
    "17.3.x-scala2.13": "17.3 LTS (includes Apache Spark 4.0.0, Scala 2.13)",
    "17.3.x-cpu-ml-scala2.13": "17.3 LTS ML (includes Apache Spark 4.0.0, Scala 2.13)",
    "16.4.x-scala2.12": "16.4 LTS (includes Apache Spark 3.5.2, Scala 2.12)",
    "16.4.x-cpu-ml-scala2.12": "16.4 LTS ML (includes Apache Spark 3.5.2, Scala 2.12)",
    "15.4.x-scala2.12": "15.4 LTS (includes Apache Spark 3.5.0, Scala 2.12)",
    "15.4.x-cpu-ml-scala2.12": "15.4 LTS ML (includes Apache Spark 3.5.0, Scala 2.12)",
    "14.3.x-scala2.12": "14.3 LTS (includes Apache Spark 3.5.0, Scala 2.12)",
}

_SIZES: dict[str, tuple[int, int, str]] = {
    "Standard_D4ds_v5": (4, 16, "General Purpose (HDD)"),
    "Standard_D8ds_v5": (8, 32, "General Purpose (HDD)"),
    "Standard_D4s_v5": (4, 16, "General Purpose"),
    "Standard_DS3_v2": (4, 14, "General Purpose"),
    "Standard_DS4_v2": (8, 28, "General Purpose"),
    "Standard_F4s_v2": (4, 8, "Compute Optimized"),
    "Standard_F8s_v2": (8, 16, "Compute Optimized"),
    "Standard_E4ds_v5": (4, 32, "Memory Optimized"),
    "Standard_E8ds_v5": (8, 64, "Memory Optimized"),
}

NODE_TYPES: dict[str, dict[str, Any]] = {
    name: {
        "node_type_id": name,
        "instance_type_id": name,
        "memory_mb": gigabytes * 1024,
        "num_cores": float(cores),
        "num_gpus": 0,
        "description": name,
        "category": category,
        "is_deprecated": False,
        "is_hidden": False,
        "is_io_cache_enabled": "ds" in name,
        "support_port_forwarding": True,
        "photon_worker_capable": "ds" in name,
        "photon_driver_capable": "ds" in name,
        "is_graviton": False,
        "node_instance_type": {"instance_type_id": name, "local_disks": 1, "local_disk_size_gb": cores * 32},
        "node_info": {"status": [], "available_core_quota": 350, "total_core_quota": 350},
    }
    for name, (cores, gigabytes, category) in _SIZES.items()
}
