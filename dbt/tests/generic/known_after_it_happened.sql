{# Rows available on a day before the one they happened on: something from the future. #}
{% test known_after_it_happened(model) %}
select *
from {{ model }}
where event_day > available_day
{% endtest %}
