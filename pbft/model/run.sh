#!/usr/bin/env bash
# run.sh quick|full [NAME...]: checks the variants of variants.txt (or those that are named) with SPIN
# and prints what became of each, two at a time. It fails unless every clean variant was searched to the end and holds,
# and every broken one breaks as it should. Counterexamples are shown with -v before quick|full.
set -euo pipefail
cd "$(dirname "$0")"

trace=0
if [ "${1:-}" = "-v" ]; then
	trace=1
	shift
fi
case "${1:-}" in
quick | full) mode="$1" ;;
*)
	echo "usage: run.sh [-v] quick|full [NAME...]" >&2
	exit 2
	;;
esac
shift
for tool in spin gcc; do
	if ! command -v "$tool" >/dev/null; then
		echo "$tool is not installed; on Debian: apt-get install spin gcc libc6-dev" >&2
		exit 2
	fi
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
model="$PWD/byzd.pml"
# check NAME EXPECT DEFINES... prints one line of the table.
check() {
	local name="$1" expect="$2" dir="$work/$1" only=""
	shift 2
	mkdir "$dir"
	# Who must break agreement is not stopped by what breaks before it.
	case "$expect" in
	agreement) only=-DONLY_AGREEMENT ;;
	lemma2) only=-DONLY_LEMMA2 ;;
	esac
	(
		cd "$dir"
		spin -a "$@" $only "$model" >spin.log || {
			cat spin.log >&2
			exit 1
		}
		# -DCOLLAPSE is exact: it only packs the states. 12 GB is the most that it may take.
		local level=-O1 # these end before a better one pays
		if [ "$expect" = holds ]; then level=-O2; fi
		gcc "$level" -w -DSAFETY -DNOREDUCE -DVECTORSZ=256 -DCOLLAPSE -DMEMLIM=12000 -o pan pan.c
		./pan -m10000 >pan.log 2>&1 || true
	)
	local log="$dir/pan.log" states depth seconds result
	states="$(awk '/states, stored/ {print $1}' "$log")"
	depth="$(sed -n 's/.*depth reached \([0-9]*\),.*/\1/p' "$log")"
	seconds="$(awk '/elapsed time/ {print $4}' "$log")"
	if grep -q 'assertion violated' "$log"; then
		result="$(sed -n 's/.*assertion violated \([^ ]*\).*/\1/p' "$log" | head -1)"
	elif grep -qE 'Search not completed|max search depth too small|out of memory' "$log"; then
		result="not-exhausted"
	elif grep -q 'errors: 0' "$log"; then
		result=holds
	else
		result="no-result"
		cat "$log" >&2
	fi
	local verdict=ok
	if [ "$result" != "$expect" ]; then
		verdict="FAILED, expected: $expect"
		touch "$work/failed"
	fi
	if [ "$result" != holds ] && [ "$result" != not-exhausted ]; then result="breaks: $result"; fi
	printf '%-20s %12s %6s %9s  %-21s %s\n' \
		"$name" "${states:-?}" "${depth:-?}" "${seconds:-?}" "$result" "$verdict"
	if [ "$trace" = 1 ] && [ -e "$dir/byzd.pml.trail" ]; then
		(cd "$dir" && ./pan -r | grep -E '^ *r[0-9]:' | sed 's/^ */    /') || true
	fi
	rm -rf "$dir"
}

printf '%-20s %12s %6s %9s  %s\n' variant states depth seconds result
while read -r when name expect rest; do
	case "$when" in '' | '#') continue ;; esac
	if [ $# -gt 0 ]; then
		case " $* " in *" $name "*) ;; *) continue ;; esac
	elif [ "$mode" = quick ] && [ "$when" != quick ]; then
		continue
	fi
	# The defines are the words that begin with -D; the rest says what it is.
	defines=()
	for word in $rest; do
		case "$word" in -D*) defines+=("$word") ;; esac
	done
	while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || touch "$work/failed"; done
	check "$name" "$expect" "${defines[@]}" &
done <variants.txt
while [ -n "$(jobs -p)" ]; do wait -n || touch "$work/failed"; done
[ ! -e "$work/failed" ]
