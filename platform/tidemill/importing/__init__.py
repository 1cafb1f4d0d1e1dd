"""Events from files: worker processes read parts, one commit stream takes them on in order.

What a file is (`files`, `storage`), how its text (`contents`, `lines`) and its records
(`json_lines`, `csv_files`, `parquet_files`) are read, and in which format (`formats`, `mapping`);
what is done with a part (`preparing`), by whom (`pool`, `worker`), and how it gets into the log
(`portions`) and is gone on with after an interruption (`notes`): `importer` brings them together.
"""
