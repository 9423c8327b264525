# Completions of byzd for fish. Load them in this shell:
#   byzd completion fish | source
# or for good:
#   byzd completion fish >~/.config/fish/completions/byzd.fish

function __byzd_complete
    set -l words (commandline -opc)
    set -l program $words[1]
    set -e words[1]
    $program $words (commandline -ct) --generate-bash-completion 2>/dev/null
end

# Where byzd has no answer, files are completed.
complete -c byzd -n 'count (__byzd_complete) >/dev/null' -f -a '(__byzd_complete)'
