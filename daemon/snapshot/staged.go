package snapshot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"

	"byzd/crypto"
	"byzd/daemon/disk"
	"byzd/pbft/message"
)

const stagePrefix = "transfer-"

func stageName(root crypto.Digest) string { return fmt.Sprintf("%s%x", stagePrefix, root[:16]) }

// Stage is a half-done transfer on disk.
type Stage struct {
	disk disk.Disk
	file disk.File
	name string
}

// OpenStage continues the transfer of a certified root, or begins it; those of other roots are
// removed. Pieces that were staged before are given to visit, in their order; what it does not
// accept ends the reading, and everything from there on is forgotten.
func OpenStage(
	d disk.Disk, root crypto.Digest, visit func(message.StateRef, []byte) bool,
) (*Stage, error) {
	name := stageName(root)
	if err := RemoveStages(d, name); err != nil {
		return nil, err
	}
	data, err := d.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("staged transfer: %w", err)
	}
	good := 0
	for {
		size, ok := readPiece(root, data[good:], visit)
		if !ok {
			break
		}
		good += size
	}
	if good < len(data) {
		if err := d.Truncate(name, int64(good)); err != nil {
			return nil, fmt.Errorf("staged transfer: %w", err)
		}
	}
	file, err := d.Append(name)
	if err != nil {
		return nil, fmt.Errorf("staged transfer: %w", err)
	}
	return &Stage{disk: d, file: file, name: name}, nil
}

// readPiece takes one piece off the front: u32 length, u8 part, u16 length and path, data.
func readPiece(
	root crypto.Digest, data []byte, visit func(message.StateRef, []byte) bool,
) (size int, ok bool) {
	if len(data) < 4 {
		return 0, false
	}
	length := int(binary.BigEndian.Uint32(data))
	if length < 3 || length > len(data)-4 {
		return 0, false
	}
	body := data[4 : 4+length]
	path := int(binary.BigEndian.Uint16(body[1:]))
	if path > len(body)-3 {
		return 0, false
	}
	ref := message.StateRef{
		Root: root, Tree: message.StateTree(body[0]), Path: string(body[3 : 3+path]),
	}
	return 4 + length, visit(ref, body[3+path:])
}

// Add appends a piece. It is not synced.
func (s *Stage) Add(ref message.StateRef, data []byte) error {
	out := make([]byte, 0, 7+len(ref.Path)+len(data))
	size := uint32(3 + len(ref.Path) + len(data)) //nolint:gosec // a frame bounds both
	out = binary.BigEndian.AppendUint32(out, size)
	out = append(out, byte(ref.Tree))
	out = binary.BigEndian.AppendUint16(out, uint16(len(ref.Path))) //nolint:gosec // bounded
	out = append(append(out, ref.Path...), data...)
	_, err := s.file.Write(out)
	return err
}

// Close releases the file and leaves it for the next start.
func (s *Stage) Close() error { return s.file.Close() }

// RemoveStages removes all half-done transfers but the one of a name, which may be empty.
func RemoveStages(d disk.Disk, but string) error {
	names, err := d.List(stagePrefix)
	if err != nil {
		return fmt.Errorf("staged transfers: %w", err)
	}
	for _, name := range names {
		if name == but {
			continue
		}
		if err := d.Remove(name); err != nil {
			return fmt.Errorf("staged transfers: %w", err)
		}
	}
	return nil
}
