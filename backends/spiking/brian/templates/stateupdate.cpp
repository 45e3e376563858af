{# USES_VARIABLES { N } #}
{# ALLOWS_SCALAR_WRITE #}
{% extends 'common_group.cpp' %}
{% import 'rows.cpp' as rows %}

{% block maincode %}
    {% set grid = grid_of(owner) %}
    {% set written = written_at(vector_code) %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    {% if grid %}
    {{ rows.types() }}
    const int _rows = {{grid[0]}}, _columns = {{grid[1]}}, _first = 0, _last = _columns;
    {% if written <= own %}
    {{openmp_pragma('parallel-static')}}
    {% endif %}
    for (int _row = 0; _row < _rows; _row++)
    {
        {{ rows.row(vector_code, variables, get_array_name, written <= in_row) }}
    }
    {% else %}
    const int _N = {{constant_or_scalar('N', variables['N'])}};
    {% if written <= own %}
    {{openmp_pragma('parallel-static')}}
    {% endif %}
    for (int _idx = 0; _idx < _N; _idx++)
    {
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
    {% endif %}
{% endblock %}
