"""A wheel made in memory: one module, one entry point. For jobs that must really install one."""

import io
import zipfile


def small_wheel(code: str, *, name: str = "smallwheel", entry: str = "main") -> bytes:
    files = {
        f"{name}/__init__.py": code,
        f"{name}-1.0.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{name}-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{name}-1.0.dist-info/entry_points.txt": f"[console_scripts]\n{entry} = {name}:{entry}\n",
    }
    record = f"{name}-1.0.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return raw.getvalue()
