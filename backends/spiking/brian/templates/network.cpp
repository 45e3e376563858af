{# Brian2's, but for its loop: it asks for the time at every 256th step, not before each object, and
   looks up in a list, not in a set, whose turn it is. #}
{% macro cpp_file() %}
#include "network.h"
#include <cmath>
#include <ctime>
#include <utility>

{{ openmp_pragma('include') }}

double Network::_last_run_time = 0.0;
double Network::_last_run_completed_fraction = 0.0;
bool Network::_globally_stopped = false;
bool Network::_globally_running = false;

static double seconds_of_work()
{
    {% if openmp_pragma('with_openmp') %}
    return omp_get_wtime();
    {% else %}
    return (double) std::clock() / CLOCKS_PER_SEC;
    {% endif %}
}

Network::Network()
{
    t = 0.0;
}

void Network::clear()
{
    objects.clear();
}

void Network::add(Clock* clock, codeobj_func func)
{
    size_t number = 0;
    while (number < clocks.size() && clocks[number] != clock)
        number++;
    if (number == clocks.size())
        clocks.push_back(clock);
    if (func)
        objects.push_back(std::make_pair(number, func));
}

void Network::run(const double duration, void (*report_func)(const double, const double, const double, const double), const double report_period)
{
    const double t_start = t, t_end = t + duration, start = seconds_of_work();
    double elapsed = 0.0, next_report_time = report_period;
    for (Clock* clock : clocks)
        clock->set_interval(t_start, t_end);
    if (report_func)
        report_func(0.0, 0.0, t_start, duration);

    std::vector<char> due(clocks.size());
    unsigned long step = 0;
    _globally_running = true;
    _globally_stopped = false;
    while (!_globally_stopped)
    {
        Clock* first = NULL;
        for (Clock* clock : clocks)
            if (!first || clock->t[0] < first->t[0])
                first = clock;
        if (!first || !first->running())
            break;
        t = first->t[0];
        for (size_t i = 0; i < clocks.size(); i++)
            due[i] = std::fabs(clocks[i]->t[0] - t) < 1e-4 * first->dt[0];
        if (report_func && step++ % 256 == 0)
        {
            elapsed = seconds_of_work() - start;
            if (elapsed > next_report_time)
            {
                report_func(elapsed, (t - t_start) / duration, t_start, duration);
                next_report_time += report_period;
            }
        }
        for (const auto& object : objects)
            if (due[object.first])
                object.second();
        for (size_t i = 0; i < clocks.size(); i++)
            if (due[i])
                clocks[i]->tick();
    }
    _globally_running = false;
    if (!_globally_stopped)
        t = t_end;
    _last_run_time = seconds_of_work() - start;
    _last_run_completed_fraction = duration > 0 ? (t - t_start) / duration : 1.0;
    if (report_func)
        report_func(_last_run_time, _last_run_completed_fraction, t_start, duration);
}
{% endmacro %}

{% macro h_file() %}
#ifndef _BRIAN_NETWORK_H
#define _BRIAN_NETWORK_H

#include <utility>
#include <vector>
#include "brianlib/clocks.h"

typedef void (*codeobj_func)();

class Network
{
    std::vector<Clock*> clocks;
    std::vector<std::pair<size_t, codeobj_func>> objects;
public:
    double t;
    static double _last_run_time;
    static double _last_run_completed_fraction;
    static bool _globally_stopped;
    static bool _globally_running;

    Network();
    void clear();
    void add(Clock* clock, codeobj_func func);
    void run(const double duration, void (*report_func)(const double, const double, const double, const double), const double report_period);
};

#endif
{% endmacro %}
