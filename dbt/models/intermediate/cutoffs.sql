{% for cutoff in var('cutoffs') %}
select cast('{{ cutoff.day }}' as date) as cutoff, {{ 'true' if cutoff.labelled else 'false' }} as labelled
{{ 'union all' if not loop.last }}
{% endfor %}
