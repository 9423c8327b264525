// Package changefile writes and reads the file in which a change of the members travels between
// those who make it, those who approve it, and the node that it is handed to: what it does in
// words, for people, and its bytes in base64. Only the bytes count.
package changefile
