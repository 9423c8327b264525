package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"byzd/daemon/disk"
)

// copyBytes is how much of the doubtful tail is written again at once.
const copyBytes = 1 << 20

// chain checks that segments follow one another.
type chain struct {
	next uint64 // LSN that comes next; zero before the first segment
	prev uint32
}

// join checks the header of the next segment against the end of the one before.
func (c *chain) join(s *segment, first uint64) error {
	switch {
	case s.head.first != first:
		return s.damage(0, first, fmt.Sprintf("header says that it begins at %d", s.head.first))
	case c.next == 0:
		c.next, c.prev = first, s.head.prev
	case first != c.next:
		return s.damage(0, c.next, fmt.Sprintf("segment begins at %d, a gap", first))
	case s.head.prev != c.prev:
		return s.damage(0, first, fmt.Sprintf("segment follows checksum %08x, expected %08x",
			s.head.prev, c.prev))
	}
	return nil
}

// listSegments returns the names and first LSNs of the segments, in order.
func listSegments(d disk.Disk) (names []string, firsts []uint64, err error) {
	names, err = d.List(segmentPrefix)
	if err != nil {
		return nil, nil, err
	}
	for _, name := range names {
		first, ok := parseSegmentName(name)
		if !ok {
			return nil, nil, &DamageError{Segment: name, Why: "name does not say its first LSN"}
		}
		firsts = append(firsts, first)
	}
	return names, firsts, nil
}

// recovery reads a journal that some process left, without changing it.
type recovery struct {
	disk   disk.Disk
	owner  [32]byte
	mark   mark
	report Report

	chain    chain
	segments []*segment
	unsynced int64  // offset in the last of them behind the record that the mark names
	begun    string // a segment whose header is torn
}

// recover brings the journal in j.disk into the state in which appending can go on.
func (j *Journal) recover() error {
	names, firsts, err := listSegments(j.disk)
	if err != nil {
		return err
	}
	r := &recovery{disk: j.disk, owner: j.opts.Owner}
	r.mark, r.report.MarkSlotLost, err = readMark(j.disk)
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(names) > 0:
		return &DamageError{Segment: markName, Why: "is missing, but there are segments"}
	case errors.Is(err, fs.ErrNotExist):
		if err := createMark(j.disk); err != nil {
			return err
		}
		r.mark = mark{sequence: 1}
	case err != nil:
		return err
	}
	r.report.Mark = r.mark.lsn
	for i, name := range names {
		if err := r.load(name, firsts[i], i == len(names)-1); err != nil {
			return err
		}
	}
	if len(r.segments) == 0 && r.mark.lsn > 0 {
		return &DamageError{
			Segment: markName, LSN: r.mark.lsn, Why: "names a record, but there are no segments",
		}
	}
	return j.resume(r)
}

// load reads and checks one segment. Only the last one may have a tail or a torn header.
func (r *recovery) load(name string, first uint64, last bool) error {
	size, err := r.disk.Size(name)
	if err != nil {
		return err
	}
	f, err := r.disk.OpenRead(name)
	if err != nil {
		return err
	}
	head, err := readSegmentHeader(f)
	if errors.Is(err, errBadHeader) {
		err = r.tornHeader(name, first, last, &window{r: f, size: size})
		return errors.Join(err, f.Close())
	}
	if err == nil {
		s := newSegment(head)
		s.name = name
		err = r.follow(s, first, last, newWalker(f, size, head))
	}
	if closeErr := f.Close(); closeErr != nil {
		err = errors.Join(err, closeErr)
	}
	if err != nil && !isDamage(err) {
		return fmt.Errorf("segment %s: %w", name, err)
	}
	return err
}

func isDamage(err error) bool {
	_, is := errors.AsType[*DamageError](err)
	return is
}

// tornHeader accepts a segment that a crash left before its header was synced. Records are
// written only after that, so there is nothing in it.
func (r *recovery) tornHeader(name string, first uint64, last bool, w *window) error {
	s := &segment{name: name}
	end, err := w.contentEnd(min(headerBytes, w.size))
	if err != nil {
		return err
	}
	begins := r.chain.next == first || r.chain.next == 0 && first == 1
	if !last || !begins || end > headerBytes || r.mark.lsn >= first {
		return s.damage(0, first, errBadHeader.Error())
	}
	r.begun = name
	return nil
}

// follow reads the records of a segment into its index.
func (r *recovery) follow(s *segment, first uint64, last bool, w *walker) error {
	if s.head.owner != r.owner {
		return fmt.Errorf("%w: %x…, this is %x…", ErrOwner, s.head.owner[:4], r.owner[:4])
	}
	if err := r.chain.join(s, first); err != nil {
		return err
	}
	if r.mark.lsn == first-1 && r.mark.sum != s.head.prev {
		return s.damage(0, first, "segment follows another record than the one that the mark names")
	}
	r.unsynced = headerBytes
	for {
		off := w.off
		h, _, err := w.step()
		if err != nil {
			if err := r.ending(s, last, w, err); err != nil {
				return err
			}
			break
		}
		s.note(h, off)
		if h.lsn == r.mark.lsn {
			if h.sum != r.mark.sum {
				return s.damage(off, h.lsn, "record is not the one that the mark names")
			}
			r.unsynced = w.off
		}
	}
	r.chain = chain{next: w.next, prev: w.prev}
	r.segments = append(r.segments, s)
	return nil
}

// ending decides whether a segment may end where the walk ended: see the package comment.
func (r *recovery) ending(s *segment, last bool, w *walker, cause error) error {
	torn, isBad := errors.AsType[*badRecordError](cause)
	clean := errors.Is(cause, io.EOF)
	switch {
	case !clean && !isBad:
		return cause
	case last && clean && w.next > r.mark.lsn:
		return nil
	case clean && !last && w.off == w.size:
		return nil
	case clean && !last:
		return s.damage(w.off, w.next, "zeros at the end of a segment that is not the last")
	case clean:
		return s.damage(w.off, w.next,
			fmt.Sprintf("journal ends, but record %d had been synced", r.mark.lsn))
	case !last:
		return s.damage(w.off, w.next, torn.why)
	case w.next <= r.mark.lsn:
		return s.damage(w.off, w.next,
			fmt.Sprintf("%s, and record %d had been synced", torn.why, r.mark.lsn))
	}
	later, found, err := w.laterFlush()
	if err != nil {
		return err
	}
	if found {
		return s.damage(w.off, w.next,
			fmt.Sprintf("%s, and record %d of a later flush is whole", torn.why, later))
	}
	end, err := w.contentEnd(w.off)
	if err != nil {
		return err
	}
	r.report.TornSegment, r.report.TornOffset = s.name, w.off
	r.report.TornBytes, r.report.TornWhy = end-w.off, torn.why
	return nil
}

// resume changes the disk: it removes what is torn, makes durable what is doubtful, and opens the
// files for writing.
func (j *Journal) resume(r *recovery) (err error) {
	if r.begun != "" {
		if err := j.disk.Remove(r.begun); err != nil {
			return err
		}
	}
	if r.report.TornSegment != "" {
		if err := j.disk.Truncate(r.report.TornSegment, r.report.TornOffset); err != nil {
			return err
		}
	}
	w := &j.out
	defer func() {
		if err != nil {
			err = errors.Join(err, w.closeFiles())
		}
	}()
	if len(r.segments) == 0 {
		r.segments = []*segment{newSegment(segmentHeader{
			salt: j.opts.Salt, owner: j.opts.Owner, first: 1,
		})}
		r.chain, r.unsynced = chain{next: 1}, headerBytes
		w.file, err = createSegment(j.disk, r.segments[0])
	} else {
		w.file, err = j.disk.Append(r.segments[len(r.segments)-1].name)
	}
	if err != nil {
		return err
	}
	j.segments = r.segments
	w.active = r.segments[len(r.segments)-1]
	w.marked, w.sum = r.mark, r.chain.prev
	if w.extent, err = j.disk.Size(w.active.name); err != nil {
		return err
	}
	if err := j.settle(r.unsynced); err != nil {
		return err
	}
	j.seed = saltSeed(w.active.head.salt)
	j.staged = batch{next: r.chain.next, sum: r.chain.prev}
	j.finishReport(r.report)
	return nil
}

// settle makes the records from offset from on, which the last process may not have synced,
// durable, and then says so in the mark. It writes them again first, because pages whose sync has
// failed are clean in the kernel's eyes and no sync would write them.
func (j *Journal) settle(from int64) error {
	w := &j.out
	if err := rewrite(j.disk, w.file, w.active.name, from, w.active.used); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	if err := j.disk.SyncDir(); err != nil {
		return err
	}
	var err error
	if w.mark, err = j.disk.Append(markName); err != nil {
		return err
	}
	if err := j.writeMark(); err != nil {
		return err
	}
	return w.mark.Sync()
}

// rewrite writes the bytes [from, to) of a file over themselves.
func rewrite(d disk.Disk, file disk.File, name string, from, to int64) error {
	if from >= to {
		return nil
	}
	f, err := d.OpenRead(name)
	if err != nil {
		return err
	}
	buf := make([]byte, min(copyBytes, to-from))
	for from < to && err == nil {
		b := buf[:min(copyBytes, to-from)]
		if _, err = f.ReadAt(b, from); err == nil || errors.Is(err, io.EOF) {
			_, err = file.WriteAt(b, from)
		}
		from += int64(len(b))
	}
	return errors.Join(err, f.Close())
}

func (j *Journal) finishReport(r Report) {
	j.report = r
	j.report.Segments = len(j.segments)
	j.report.First, j.report.Last = j.segments[0].head.first, j.out.active.last
	j.report.Records = j.report.Last + 1 - j.report.First
}

// closeFiles releases what is open.
func (w *writer) closeFiles() error {
	var err error
	if w.file != nil {
		err = w.file.Close()
	}
	if w.mark != nil {
		err = errors.Join(err, w.mark.Close())
	}
	w.file, w.mark = nil, nil
	return err
}
