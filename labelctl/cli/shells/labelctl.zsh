#compdef labelctl
# Completion of labelctl in zsh: eval "$(labelctl completion zsh)", after compinit

_labelctl() {
    local found row value
    local -a rows options
    found=$(
        LABELCTL_COMPLETE="${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX" "${words[1]}" 2>/dev/null
    )
    if (( $? )); then
        _files
        return
    fi
    for row in "${(@f)found}"; do
        value=${row%%$'\t'*}
        [[ -n $value ]] || continue
        [[ $value == */ ]] && options=(-S '')
        # _describe reads a backslash as an escape, and a colon as the end of the value.
        rows+=("${${value//\\/\\\\}//:/\\:}${${row#$value}/$'\t'/:}")
    done
    _describe -V value rows $options -M 'm:{[:lower:][:upper:]}={[:upper:][:lower:]}'
}

if [[ $funcstack[1] == _labelctl ]]; then # loaded from a file in fpath
    _labelctl "$@"
else
    compdef _labelctl labelctl
fi
