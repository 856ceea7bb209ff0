"""The engine for a cluster: the record's tables in PostgreSQL. It needs asyncpg (`metaservice[cluster]`)."""
