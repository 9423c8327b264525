package message

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"byzd/crypto"
	"byzd/pbft/quorum"
)

// ErrChange is what every reason why a change of the members cannot be wraps.
var ErrChange = errors.New("the change cannot be made")

// Change is what the administrators sign: the members after it, all of them and in their order, and
// the parameters. Epoch is the one that it ends, so a change is good once. Nothing else decides
// what the next epoch looks like: see [Config.Next].
type Change struct {
	Epoch   uint64
	Members []ChangeMember
	Params  Params
}

// ChangeMember is a member as a change names it. Everything in it is public.
type ChangeMember struct {
	Name string
	Node crypto.NodeID
	Key  []byte
	// Proof is the proof of possession of a key that is new, where the scheme needs one. It is
	// empty for a member that stays as it is.
	Proof []byte
}

// maxName bounds a member's name: the length of a part of a host name.
const maxName = 63

// maxKey is the decoder's cap for a public key; the exact size is the scheme's.
const maxKey = 4 << 10

// Digest names the change. Administrators sign it, and members that are ready for it do.
func (c *Change) Digest() crypto.Digest {
	var w writer
	c.encode(&w)
	return crypto.Hash("byzd/change/1", w.buf)
}

func (c *Change) encode(w *writer) {
	w.u64(c.Epoch)
	w.u32(uint32(len(c.Members))) //nolint:gosec // at most MaxReplicas
	for i := range c.Members {
		m := &c.Members[i]
		w.bytes([]byte(m.Name))
		w.raw(m.Node[:])
		w.bytes(m.Key)
		w.bytes(m.Proof)
	}
	c.Params.encode(w)
}

func decodeChange(r *reader) *Change {
	c := &Change{Epoch: r.number()}
	n := r.count(quorum.MaxReplicas, 4+32+4+4)
	for range n {
		m := ChangeMember{Name: string(r.bytes(maxName))}
		copy(m.Node[:], r.take(len(m.Node)))
		m.Key, m.Proof = r.bytes(maxKey), r.bytes(maxSignature)
		c.Members = append(c.Members, m)
		if r.err != nil {
			return c
		}
	}
	c.Params = decodeParams(r)
	return c
}

func decodeParams(r *reader) Params {
	number := func() int64 { return int64(r.number()) } //nolint:gosec // below 2^62
	return Params{
		MaxBatchRequests: int(number()), MaxBatchBytes: int(number()),
		MaxBundleBytes: int(number()), InFlight: int(number()), CheckpointEvery: r.number(),
		Window: r.number(), RotateEvery: r.number(), ViewTimeout: number(),
		MaxViewTimeout: number(), MaxClientRows: int(number()), Testnet: r.flag(),
	}
}

// ChangeOf returns the change that leaves everything in a configuration as it is, for callers that
// then add and remove.
func ChangeOf(cfg *Config) *Change {
	c := &Change{Epoch: cfg.Epoch, Params: cfg.Params}
	for i := range cfg.Members {
		m := &cfg.Members[i]
		c.Members = append(c.Members,
			ChangeMember{Name: m.Name, Node: m.Node, Key: m.Key.Bytes()})
	}
	return c
}

// Next returns the configuration of the epoch that follows when a batch makes this change. It is a
// pure function: every member and every client arrives at the same, or at the same error, which
// says what is wrong with the change and wraps [ErrChange].
func (c *Config) Next(change *Change, base Ref) (*Config, error) {
	next, err := c.next(change, base)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChange, err)
	}
	return next, nil
}

func (c *Config) next(change *Change, base Ref) (*Config, error) {
	if change.Epoch != c.Epoch {
		return nil, fmt.Errorf("it was made to end epoch %d, and this is epoch %d",
			change.Epoch, c.Epoch)
	}
	sizes, err := quorum.Of(len(change.Members))
	if err != nil {
		return nil, err
	}
	if err := change.Params.check(c.Scheme); err != nil {
		return nil, err
	}
	if change.Params.Testnet != c.Params.Testnet {
		return nil, errors.New("whether this is a testnet cannot be changed")
	}
	if was := c.Params.MaxBundleBytes; change.Params.MaxBundleBytes < was {
		return nil, fmt.Errorf("max-bundle-bytes is %d and cannot become smaller: bundles that "+
			"wait would be too large for ever", was)
	}
	next := &Config{
		Cluster: c.Cluster, Epoch: c.Epoch + 1, Base: base, Scheme: c.Scheme,
		Params: change.Params, Sizes: sizes, Admins: c.Admins, NextSession: c.NextSession,
	}
	for i := range change.Members {
		if err := next.admit(c, &change.Members[i]); err != nil {
			return nil, err
		}
	}
	if next.NextSession > FirstClientSession {
		return nil, errors.New("this cluster has used up the numbers that it has for members")
	}
	next.Epoch = c.Epoch
	if next.Digest() == c.Digest() {
		return nil, errors.New("it changes nothing")
	}
	next.Epoch = c.Epoch + 1
	return next, nil
}

// admit appends a member of the change. A member that stays keeps its gateway's session, and its
// key needs no second proof.
func (c *Config) admit(before *Config, m *ChangeMember) error {
	if !goodName(m.Name) {
		return fmt.Errorf("%.80q cannot be a member's name", m.Name)
	}
	member := Member{Name: m.Name, Node: m.Node}
	if old := before.Member(m.Node); old >= 0 {
		member.Session = before.Members[old].Session
		if bytes.Equal(before.Members[old].Key.Bytes(), m.Key) {
			member.Key = before.Members[old].Key
		}
	} else {
		member.Session = c.NextSession
		c.NextSession++
		if _, err := crypto.ParseNodeID(m.Node.String()); err != nil {
			return fmt.Errorf("member %q: %w", m.Name, err)
		}
	}
	if member.Key.Equal(crypto.PublicKey{}) {
		keys, err := crypto.LoadKeys(c.Scheme, [][]byte{m.Key}, [][]byte{m.Proof})
		if err != nil {
			return fmt.Errorf("member %q: %w", m.Name, err)
		}
		member.Key = keys[0]
	} else if len(m.Proof) > 0 {
		return fmt.Errorf("member %q stays, and its key is proved again", m.Name)
	}
	for i := range c.Members {
		other := &c.Members[i]
		if other.Name == m.Name || other.Node == m.Node || other.Key.Equal(member.Key) {
			return fmt.Errorf("members %d and %d, %q and %q, share what must be their own",
				i, len(c.Members), other.Name, m.Name)
		}
	}
	c.Members = append(c.Members, member)
	return nil
}

// goodName is what the genesis allows as well: it may stand in paths and tables without quotes.
func goodName(name string) bool {
	good := name != "" && len(name) <= maxName
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		good = good && (letter || i > 0 && strings.ContainsRune("-_.", r))
	}
	return good
}

// Joins lists the members of a change, by their place in it, that the configuration does not have
// with this key: newcomers, and members whose key is replaced.
func (c *Config) Joins(change *Change) []int {
	var list []int
	for i := range change.Members {
		m := &change.Members[i]
		old := c.Member(m.Node)
		if old < 0 || !bytes.Equal(c.Members[old].Key.Bytes(), m.Key) {
			list = append(list, i)
		}
	}
	return list
}

// Leaves lists the members of the configuration that a change does not have.
func (c *Config) Leaves(change *Change) []int {
	var list []int
	for i := range c.Members {
		stays := false
		for k := range change.Members {
			stays = stays || change.Members[k].Node == c.Members[i].Node
		}
		if !stays {
			list = append(list, i)
		}
	}
	return list
}
