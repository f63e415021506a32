#compdef walletd
# Completion of walletd for zsh: source <(walletd completion zsh), after compinit; or as a file
# _walletd in a directory of $fpath.

_walletd() {
  local line
  local -a candidates
  for line in "${(@f)$("${words[1]}" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
    if [[ $line == :file ]]; then
      compset -P '--*='
      _files
      return
    fi
    [[ -n $line ]] && candidates+=("${${line%%$'\t'*}//:/\\:}:${${line#*$'\t'}//:/\\:}")
  done
  _describe -t values walletd candidates
}

if [[ ${funcstack[1]} == _walletd ]]; then
  _walletd "$@"
else
  compdef _walletd walletd
fi
