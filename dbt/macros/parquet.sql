{# A model that DuckDB writes to one Parquet file and reads back through a view. dbt-duckdb's own `external` copies the
   rows into a table first, and puts a row of nulls into the file when there are none. #}
{% materialization parquet, adapter='duckdb' %}
    {%- set relation = this.incorporate(type='view') -%}
    {%- set file = env_var('CHURN_DBT_FILES', '.') ~ '/' ~ model['name'] ~ '.parquet' -%}
    {% call statement('main') -%}
        copy (
            {{ compiled_code }}
        ) to '{{ file }}' (format parquet, compression zstd, compression_level 1)
    {%- endcall %}
    {% call statement('view') -%}
        create or replace view {{ relation }} as select * from read_parquet('{{ file }}')
    {%- endcall %}
    {{ adapter.commit() }}
    {{ return({'relations': [relation]}) }}
{% endmaterialization %}
