package sim

// class is a class of faults. Each is off in half of all seeds.
type class uint8

// The classes. Those up to classCorrupt strike single messages, with a probability; the others
// strike now and then, so many times per simulated second. classHandover strikes where an epoch
// ends; it and classGhost are drawn where the members change only. The last ones are charged to f.
const (
	classDrop class = iota
	classDuplicate
	classReorder
	classTail
	classCorrupt
	classCut
	classPartition
	classCrash
	classPoint
	classOutage
	classPause
	classClock
	classFull
	classIO
	classHint
	classForeign
	classPoison
	classLiar
	classHandover
	classGhost
	classLostSync
	classMisdirect
	classOldImage
	classRot
	classWipe
	classCount
)

// describe is a row of the table of fault classes.
type describe struct {
	name      string
	low, high float64 // of its rate: a probability, or strikes per second
	stream    stream
	each      bool // it strikes single messages
	charged   bool
}

func classes() [classCount]describe {
	return [classCount]describe{
		classDrop:      {"drop", 0.001, 0.2, streamDrop, true, false},
		classDuplicate: {"duplicate", 0.001, 0.3, streamDuplicate, true, false},
		classReorder:   {"reorder", 0.01, 1, streamDelay, true, false},
		classTail:      {"delay-tail", 0.0005, 0.05, streamDelay, true, false},
		classCorrupt:   {"corrupt", 0.0005, 0.05, streamCorrupt, true, false},
		classCut:       {"one-way-cut", 0.1, 3, streamCut, false, false},
		classPartition: {"partition", 0.1, 2, streamCut, false, false},
		classCrash:     {"crash", 0.1, 2, streamCrash, false, false},
		classPoint:     {"crash-point", 0.1, 2, streamCrash, false, false},
		classOutage:    {"outage", 0.03, 0.3, streamCrash, false, false},
		classPause:     {"pause", 0.1, 2, streamPause, false, false},
		classClock:     {"clock", 0.1, 2, streamClock, false, false},
		classFull:      {"disk-full", 0.1, 1, streamDisk, false, false},
		classIO:        {"disk-error", 0.1, 1, streamDisk, false, false},
		classHint:      {"false-advice", 0.5, 20, streamHint, false, false},
		classForeign:   {"foreign", 0.5, 20, streamForeign, false, false},
		classPoison:    {"forged-bundle", 0.5, 5, streamPoison, false, false},
		classLiar:      {"lying-client", 0.5, 5, streamLiar, false, false},
		classHandover:  {"crash-at-handover", 0.05, 0.7, streamEpochs, true, false},
		classGhost:     {"old-key", 1, 30, streamEpochs, false, false},
		classLostSync:  {"lost-sync", 0.5, 2, streamCharge, false, true},
		classMisdirect: {"misdirected", 0.5, 2, streamCharge, false, true},
		classOldImage:  {"old-image", 0.5, 2, streamCharge, false, true},
		classWipe:      {"wiped-home", 0.5, 2, streamCharge, false, true},
		classRot:       {"bit-rot", 0.5, 2, streamCharge, false, true},
	}
}

// String is the class's name on the command line and in scripts.
func (c class) String() string { return className[c] }
