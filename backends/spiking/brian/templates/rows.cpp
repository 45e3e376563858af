{# One presynaptic cell of synapses that join all to all, listed cell by cell: which cells a synapse
   joins needs no table, so that compilers vectorise what happens to a whole row. #}
{% macro row(code, variables, get_array_name, vectorises) %}
            const size_t _begin = (size_t) _row * _columns;
            {% if '_presynaptic_idx' in variables %}
            const SameRow {{get_array_name(variables['_presynaptic_idx'])}} = {(int32_t) _row};
            {% endif %}
            {% if '_postsynaptic_idx' in variables %}
            const FromBegin {{get_array_name(variables['_postsynaptic_idx'])}} = {_begin};
            {% endif %}
            {% if vectorises %}
            #pragma GCC ivdep
            {% endif %}
            for (int _column = _first; _column < _last; _column++)
            {
                const size_t _idx = _begin + _column;
                const size_t _vectorisation_idx = _idx;
                {{code|autoindent}}
            }
{% endmacro %}

{% macro types() %}
    struct SameRow {
        int32_t row;
        int32_t operator[](size_t) const { return row; }
    };
    struct FromBegin {
        size_t begin;
        int32_t operator[](size_t _idx) const { return (int32_t)(_idx - begin); }
    };
{% endmacro %}
