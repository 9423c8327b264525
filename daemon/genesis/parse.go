package genesis

import (
	"encoding/base64"
	"errors"
	"strings"

	"byzd/crypto"
	"byzd/daemon/genesis/strict"
)

// Parse reads a genesis. It accepts one that has no members yet; [Genesis.Config] does not. Errors
// name the line, and have a method Hint() string where there is something to advise.
func Parse(data []byte) (*Genesis, error) { return parse("genesis.toml", data) }

func parse(file string, data []byte) (*Genesis, error) {
	doc, err := open(file, data)
	if err != nil {
		return nil, err
	}
	g := &Genesis{Scheme: doc.String("scheme"), Testnet: doc.Bool("testnet")}
	paramsTable := doc.Table("params")
	for _, p := range params() {
		p.set(&g.Params, paramsTable.Int(p.name))
	}
	admins, members := parseAdmins(doc), doc.Tables("member")
	parsed := make([]Member, len(members))
	for i, m := range members {
		parsed[i] = parseMember(m)
	}
	// Whether the values fit is only worth telling once they are all there.
	err = doc.Err()
	if err != nil {
		return nil, err
	}
	scheme, err := crypto.SchemeByName(g.Scheme)
	if err != nil {
		doc.Failf("scheme", strict.Suggest(g.Scheme, crypto.SchemeNames()), "%w", err)
		return nil, doc.Err()
	}
	if err := g.Params.Validate(); err != nil {
		key, _, _ := strings.Cut(err.Error(), " ")
		paramsTable.Failf(key, "", "%w", err)
	}
	if g.Admins = admins; g.Admins.check(scheme) != nil {
		doc.Failf("admins", "", "admins: %w", g.Admins.check(scheme))
	}
	for i, m := range parsed {
		if err := g.Add(m); err != nil {
			members[i].Failf("", hintOf(err), "%w", err)
		}
	}
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return g, nil
}

// open reads the document and refuses those of another format before it judges anything else,
// because another version may have other keys.
func open(file string, data []byte) (*strict.Table, error) {
	doc, err := strict.Parse(file, data)
	if err != nil {
		return nil, err
	}
	value, ok := doc.Take("format")
	if format, whole := value.(int64); ok && whole && format != Format {
		return nil, &strict.Error{
			File: file, Line: doc.Line("format"), Err: formatError(format),
			Advice: "use the byzd that wrote it, or write it anew with this one",
		}
	}
	doc.Int("format")
	return doc, nil
}

func parseAdmins(doc *strict.Table) Admins {
	if !doc.Has("admins") {
		return Admins{}
	}
	t := doc.Table("admins")
	a := Admins{Threshold: int(t.Int("threshold"))}
	for _, text := range t.Strings("keys") {
		a.Keys = append(a.Keys, decode(t, "keys", text))
	}
	return a
}

// parseMember reads the keys that a member has in both files.
func parseMember(t *strict.Table) Member {
	m := Member{Name: t.String("name")}
	if text := t.String("peer"); text != "" {
		id, err := crypto.ParseNodeID(text)
		if err != nil {
			t.Failf("peer", "a peer ID is what byzd init printed: 12D3KooW...", "peer: %w", err)
		}
		m.ID = id
	}
	m.Key = decode(t, "key", t.String("key"))
	if t.Has("proof") {
		m.Proof = decode(t, "proof", t.String("proof"))
	}
	return m
}

// DecodeKey reads the text form of keys and proofs, standard base64. Every key has exactly one.
func DecodeKey(text string) ([]byte, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || EncodeKey(raw) != text {
		return nil, errors.New("not base64")
	}
	return raw, nil
}

// EncodeKey writes what [DecodeKey] reads.
func EncodeKey(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

func decode(t *strict.Table, key, text string) []byte {
	raw, err := DecodeKey(text)
	if err != nil {
		t.Failf(key, "copy the whole text between the quotes", "%s: %w", key, err)
	}
	return raw
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
