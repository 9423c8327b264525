#compdef byzd
# Completions of byzd for zsh. Load them in this shell, after compinit:
#   source <(byzd completion zsh)
# or for good, into a directory of $fpath:
#   byzd completion zsh >~/.zfunc/_byzd

_byzd() {
  local -a answer
  answer=("${(@f)$("${words[1]}" "${(@)words[2,CURRENT]}" --generate-bash-completion 2>/dev/null)}")
  if [[ -n "${answer[1]}" ]]; then
    compadd -- "${answer[@]}"
  else
    _files
  fi
}

if [[ "${funcstack[1]}" == _byzd ]]; then
  _byzd "$@"
else
  compdef _byzd byzd
fi
