"""The stores: one way to open a database, the index of the directory, the record of what people made."""
