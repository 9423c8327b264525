package genesis

import (
	"fmt"
	"strings"
)

const genesisHead = `# The genesis of a byzd cluster: its members, and what they agreed on.
#
# It holds no secrets and no addresses. Every member needs the same: compare the cluster ID that
# "byzd genesis show" prints. Comments and the order of keys do not change it; the order of the
# members does, since the first is replica 0, and the first primary.

format = %d
scheme = %q # of the signing keys
testnet = %t # true allows traitors, cut links and control over HTTP: never for real data

# The protocol's parameters, the same for all.
[params]
`

const memberHead = `# The public half of a byzd node.
#
# It holds no secrets: hand it to whoever makes the genesis, who runs
# "byzd genesis add GENESIS THIS_FILE".

format = %d
scheme = %q # of the signing key
`

// Encode returns the content of genesis.toml, with comments. For every genesis that [Genesis.Check]
// accepts, Parse reads it back to the same content and cluster ID.
func (g *Genesis) Encode() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, genesisHead, Format, g.Scheme, g.Testnet)
	for _, p := range params() {
		assignment := fmt.Sprintf("%s = %d", p.name, p.get(&g.Params))
		fmt.Fprintf(&b, "%-28s # %s\n", assignment, p.note)
	}
	if len(g.Admins.Keys) > 0 {
		b.WriteString("\n# Who may change the members later on: so many of the keys' owners.\n")
		fmt.Fprintf(&b, "[admins]\nthreshold = %d\nkeys = [\n", g.Admins.Threshold)
		for _, key := range g.Admins.Keys {
			fmt.Fprintf(&b, "  %q,\n", EncodeKey(key))
		}
		b.WriteString("]\n")
	}
	for i, m := range g.Members {
		fmt.Fprintf(&b, "\n[[member]] # replica %d\n", i)
		m.encode(&b)
	}
	return []byte(b.String())
}

// EncodeMember returns the content of member.toml: a member, and the scheme that its key belongs
// to.
func EncodeMember(scheme string, m Member) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, memberHead, Format, scheme)
	m.encode(&b)
	return []byte(b.String())
}

func (m Member) encode(b *strings.Builder) {
	fmt.Fprintf(b, "name = %q\npeer = %q\nkey = %q\n", m.Name, m.ID, EncodeKey(m.Key))
	if len(m.Proof) > 0 {
		fmt.Fprintf(b, "proof = %q # that the owner holds the key's secret\n", EncodeKey(m.Proof))
	}
}

type formatError int64

func (e formatError) Error() string {
	return fmt.Sprintf("the file has format %d, but this byzd reads format %d", int64(e), Format)
}

func (formatError) Is(target error) bool { return target == ErrFormat }
