# Completion of walletd for bash: source <(walletd completion bash)

_walletd() {
  local current=${COMP_WORDS[COMP_CWORD]} line
  COMPREPLY=()
  while IFS= read -r line; do
    if [[ $line == :file ]]; then
      compopt -o filenames 2>/dev/null
      while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${current#=}")
      return
    fi
    line=${line%%$'\t'*}
    # bash takes --flag=value for three words, and completes the last alone.
    [[ $current == = || ${COMP_WORDS[COMP_CWORD - 1]} == = ]] && line=${line#*=}
    COMPREPLY+=("$line")
  done < <("${COMP_WORDS[0]}" complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}

complete -F _walletd walletd
