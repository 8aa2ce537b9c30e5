# Completion of labelctl in bash: eval "$(labelctl completion bash)"

_labelctl() {
    local found value
    COMPREPLY=()
    found=$(
        LABELCTL_COMPLETE="${COMP_LINE:0:COMP_POINT}" \
        LABELCTL_COMPLETE_WORD="${COMP_WORDS[COMP_CWORD]}" "$1" 2>/dev/null
    ) || compopt -o default 2>/dev/null # files
    while IFS=$'\t' read -r value _; do
        [[ $value ]] && COMPREPLY+=("$value")
        [[ $value == */ ]] && compopt -o nospace 2>/dev/null
    done <<<"$found"
}

complete -F _labelctl labelctl
