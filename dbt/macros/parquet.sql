{# A model that DuckDB writes to one Parquet file and reads back through a view. dbt-duckdb's own `external` copies the
   rows into a table first, and puts a row of nulls into the file when there are none. A folder above it may be named
   `plan=gold`, which DuckDB would take for a column, or hold a quote.

   DuckDB's dictionaries hold one zero for 0.0 and -0.0, whichever came first, so that a model with doubles has none. In
   the others `meta.dictionary` is the most codes worth one: giving up early on tokens and sessions saves a fifth of the
   time to write them, and no byte. A file that is `meta.passing`, read once and never stored, is packed less. #}
{% materialization parquet, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='view') -%}
    {%- set codes = config.get('meta', {}).get('dictionary', 1) -%}
    {%- set packed = 'lz4_raw' if config.get('meta', {}).get('passing') else 'zstd, compression_level 1' -%}
    {%- set file = (env_var('CHURN_DBT_FILES', '.') ~ '/' ~ model['name'] ~ '.parquet') | replace("'", "''") -%}
    {% call statement('main') -%}
        copy (
            {{ compiled_code }}
        ) to '{{ file }}' (format parquet, compression {{ packed }}, dictionary_size_limit {{ codes }})
    {%- endcall %}
    {% call statement('view') -%}
        create or replace view {{ relation }} as select * from read_parquet('{{ file }}', hive_partitioning = false)
    {%- endcall %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}
