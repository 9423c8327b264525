package crypto

import "errors"

var (
	// ErrUnknownScheme says that a name is not that of a signature scheme.
	ErrUnknownScheme = errors.New("crypto: unknown signature scheme")
	// ErrPublicKey says that bytes are not a canonical, safe public key.
	ErrPublicKey = errors.New("crypto: bad public key")
	// ErrKeyProof says that a key comes without a valid proof that its owner holds the secret.
	ErrKeyProof = errors.New("crypto: bad proof of possession")
	// ErrDuplicateKey says that two members present the same key.
	ErrDuplicateKey = errors.New("crypto: duplicate public key")
	// ErrSignature says that bytes cannot be a signature of the scheme.
	ErrSignature = errors.New("crypto: malformed signature")
	// ErrSeedPermissions says that others than its owner may read a seed file.
	ErrSeedPermissions = errors.New("crypto: seed file is open to others")
	// ErrSeedFormat says that a file does not hold exactly one seed in hexadecimal.
	ErrSeedFormat = errors.New("crypto: malformed seed file")
)
