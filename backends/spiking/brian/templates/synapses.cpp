{% extends 'common_synapses.cpp' %}
{% import 'rows.cpp' as rows %}

{% block extra_headers %}
{{ super() }}
{% if prompt(pathway) and not grid_of(owner, pathway) %}
// Which synapses each cell has, in their order.
struct SynapsesOfCells
{
    std::vector<int> begin, synapses;
    SynapsesOfCells(const std::vector<int>& cells, const int n) : begin(n + 1), synapses(cells.size())
    {
        for (int cell : cells)
            begin[cell + 1]++;
        for (int cell = 0; cell < n; cell++)
            begin[cell + 1] += begin[cell];
        std::vector<int> next(begin);
        for (size_t synapse = 0; synapse < cells.size(); synapse++)
            synapses[next[cells[synapse]]++] = synapse;
    }
};
{% endif %}
{% endblock %}

{% block maincode %}
    {# USES_VARIABLES { _synaptic_pre } #}
    {% set grid = grid_of(owner, pathway) %}
    {% set written = written_at(vector_code) %}
    // scalar code
    const size_t _vectorisation_idx = -1;
    {{scalar_code|autoindent}}

    {% if prompt(pathway) %}
    const int32_t* _spikes = {{fired(pathway)}};
    const int _num_spikes = _spikes[_num_{{fired(pathway)}} - 1];
    {% if grid %}
    {{ rows.types() }}
    const int _columns = {{grid[1]}}, _first = 0, _last = _columns;
    for (int _spike = 0; _spike < _num_spikes; _spike++)
    {
        const int _row = _spikes[_spike];
        {{ rows.row(vector_code, variables, get_array_name, written <= in_row) }}
    }
    {% else %}
    static const SynapsesOfCells _of_cells({{pathway.name}}.sources, _num_{{fired(pathway)}} - 1);
    for (int _spike = 0; _spike < _num_spikes; _spike++)
        for (int _nth = _of_cells.begin[_spikes[_spike]]; _nth < _of_cells.begin[_spikes[_spike] + 1]; _nth++)
        {
            const size_t _idx = _of_cells.synapses[_nth];
            const size_t _vectorisation_idx = _idx;
            {{vector_code|autoindent}}
        }
    {% endif %}
    {% else %}
    std::vector<int> *_spiking_synapses = {{pathway.name}}.peek();
    const int _num_spiking_synapses = _spiking_synapses->size();
    for (int _spiking_synapse_idx = 0; _spiking_synapse_idx < _num_spiking_synapses; _spiking_synapse_idx++)
    {
        const size_t _idx = (*_spiking_synapses)[_spiking_synapse_idx];
        const size_t _vectorisation_idx = _idx;
        {{vector_code|autoindent}}
    }
    {% endif %}
{% endblock %}
