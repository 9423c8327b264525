# Completions of byzd for bash. Load them in this shell:
#   source <(byzd completion bash)
# or for good:
#   byzd completion bash >~/.local/share/bash-completion/completions/byzd

_byzd() {
  local IFS=$'\n' current=${COMP_WORDS[COMP_CWORD]}
  # The node names what may stand here; nothing means that files may.
  COMPREPLY=($(compgen -W "$("$1" "${COMP_WORDS[@]:1:COMP_CWORD}" \
    --generate-bash-completion 2>/dev/null)" -- "$current"))
}

complete -o bashdefault -o default -F _byzd byzd
