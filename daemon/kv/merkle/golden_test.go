package merkle_test

// These were computed by a few lines in another language, from DESIGN.md.
const (
	goldenEmpty = "fc0de5994f27def262847b69dff4861d9ad4b4f6ec04bca267e5926873ea80de"
	goldenOne   = "ef5dec34054255d4bfd5ae3f24dc21c55390a5d6eee3217ab824eee533a8f0c5"
	goldenThree = "9e8572c9b243032f349687615380b6b1b9af9b159273aab2d42af7ec64dbd430"
)
