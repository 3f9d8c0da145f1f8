{# Values that stand in more than one row, as exact as dbt's own `unique` and cheaper on many rows: fingerprints are
   grouped, and only values whose fingerprint repeats are compared. #}
{% test unique_by_fingerprint(model, column_name) %}
select {{ column_name }}
from {{ model }}
where
    {{ column_name }} is not null
    and {{ fingerprint(column_name) }} in (
        select number
        from (select {{ fingerprint(column_name) }} as number from {{ model }} where {{ column_name }} is not null) as numbers
        group by number
        having count(*) > 1
    )
group by {{ column_name }}
having count(*) > 1
{% endtest %}
