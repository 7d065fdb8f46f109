: Integrate-and-fire neuron without leak, with delta synapses.
:
: A step of length step_ms begins with what arrives and ends with the update in its middle: all that
: has arrived is added to the potential, which is compared with the threshold and reset. Spikes thus
: leave in the middle of a step; a delay of so many steps and a half lets them arrive at the beginning
: of one. A neuron is only updated in steps in which something can happen.

NEURON {
    ARTIFICIAL_CELL SnnIntegrateAndFire
    RANGE theta, start, drive, first_step, step_ms, reset_by, rest_steps, potential
}

PARAMETER {
    theta = 1        : threshold
    start = 0        : potential before the first step
    drive = 0        : what is added in every step
    first_step = 0   : step from which on drive is added
    step_ms = 1 (ms)
    reset_by = 0     : 0: subtract theta, 1: to zero, 2: modulo theta
    rest_steps = 0   : steps after a spike in which nothing is added and no spike sent
}

ASSIGNED {
    potential
    arrived
    waits            : whether an update is due
    rests_until (ms)
}

INITIAL {
    potential = start
    arrived = 0
    waits = 0
    rests_until = -1
    if (drive != 0) {
        net_send((first_step + 0.5) * step_ms, 1)
        waits = 1
    }
}

NET_RECEIVE (w) {
    if (flag == 0) {
        if (t > rests_until) {
            arrived = arrived + w
            if (waits == 0) {
                net_send(0.5 * step_ms, 1)
                waits = 1
            }
        }
    } else {
        waits = 0
        : Times are sums of steps, which round; a quarter of a step is far from every other time.
        if (t > rests_until + 0.25 * step_ms) {
            potential = potential + arrived + drive
            arrived = 0
            if (potential >= theta) {
                net_event(t)
                rests_until = t + rest_steps * step_ms
                if (reset_by == 0) {
                    potential = potential - theta
                } else if (reset_by == 1) {
                    potential = 0
                } else {
                    potential = fmod(potential, theta)
                }
            }
        }
        if (drive != 0 || potential >= theta) {
            net_send(step_ms, 1)
            waits = 1
        }
    }
}
