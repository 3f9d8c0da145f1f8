{# Rows that lack a value of some column: dbt's own `not_null` of several columns, in one look at the rows. #}
{% test complete(model, columns) %}
select {{ columns | join(', ') }}
from {{ model }}
where
    {% for column in columns %}
    {{ 'or ' if not loop.first }}{{ column }} is null
    {% endfor %}
{% endtest %}
