: The synapses of a projection, as arrays.
:
: Each source has one NetCon to here, whose weight is the source's number: a spike is one event, not one
: for each synapse. It is handed on to the targets at once, as NetCons from the source would do.

NEURON {
    ARTIFICIAL_CELL SnnFanOut
}

ASSIGNED {
    table            : holds the address of a table
}

VERBATIM
struct SnnTable {
    std::vector<Point_process*> cells;    // targets by number
    std::vector<Point_process*> targets;  // target of each synapse, source by source
    std::vector<size_t> starts;           // first synapse of each source, and how many there are
    IvocVect* weights = nullptr;
};

static SnnTable* snn_table(double address) {
    SnnTable* found;
    memcpy(&found, &address, sizeof(found));
    return found;
}
ENDVERBATIM

CONSTRUCTOR {
VERBATIM
    SnnTable* made = new SnnTable();
    memcpy(&table, &made, sizeof(made));
ENDVERBATIM
}

DESTRUCTOR {
VERBATIM
    delete snn_table(table);
ENDVERBATIM
}

NET_RECEIVE (source) {
VERBATIM
    const SnnTable* found = snn_table(table);
    const size_t number = (size_t) _args[0], end = found->starts[number + 1];
    double* weights = vector_vec(found->weights);
    const pnt_receive_t receive = pnt_receive[_nrn_mechanism_get_type(found->cells[0]->_prop)];
    for (size_t synapse = found->starts[number]; synapse < end; ++synapse) {
        receive(found->targets[synapse], weights + synapse, 0);
    }
ENDVERBATIM
}

: Add a target.
PROCEDURE add_cell() {
VERBATIM
    snn_table(table)->cells.push_back(ob2pntproc(*hoc_objgetarg(1)));
ENDVERBATIM
}

: Take the first synapse of each source and the number of synapses, the target and the weight of each
: synapse, as Vectors. The last one is not copied and has to live on.
PROCEDURE set_synapses() {
VERBATIM
    SnnTable* found = snn_table(table);
    double *starts = vector_vec(vector_arg(1)), *targets = vector_vec(vector_arg(2));
    found->starts.assign(starts, starts + vector_capacity(vector_arg(1)));
    found->targets.clear();
    for (size_t synapse = 0; synapse < found->starts.back(); ++synapse) {
        found->targets.push_back(found->cells[(size_t) targets[synapse]]);
    }
    found->weights = vector_arg(3);
ENDVERBATIM
}
