# shellcheck shell=bash
# The checks behind `./dev lint` and `./dev format`; sourced by ./dev at the root of the repository.

readonly tidy_cache=build/lint

# Prints, NUL-terminated, the files of the project (tracked, or new and not ignored) that match.
project_files() {
  # safe.directory: the tree may belong to another user, in a container for example.
  git -c safe.directory="$PWD" ls-files -z --cached --others --exclude-standard --deduplicate \
    -- "$@" | while IFS= read -r -d '' file; do
    if [[ -f $file ]]; then printf '%s\0' "$file"; fi
  done
}

require_git() {
  command -v git >/dev/null || fail "git is missing; it says which files are the project's"
  [[ -e .git ]] || fail "this is no git checkout; git says which files are the project's"
}

cxx_files() { project_files '*.h' '*.cc' '*.c'; }

shell_scripts() {
  local file line
  project_files dev '.ci/*' '*.sh' 'tools/*' | while IFS= read -r -d '' file; do
    read -r line <"$file" || true
    if [[ $file == *.sh || $line =~ ^'#!'.*sh$ ]]; then printf '%s\0' "$file"; fi
  done
}

format_sources() {
  require_git
  step "formatting"
  cxx_files | xargs -0 -r clang-format -i
}

check_format() {
  step "clang-format"
  cxx_files | xargs -0 -r clang-format --dry-run -Werror && return 0
  printf 'dev: ./dev format puts these right\n' >&2
  return 1
}

check_shell() {
  step "shellcheck"
  shell_scripts | xargs -0 -r shellcheck --external-sources
}

# Prints a line per compiled source under src/ and bench/: the source, then, separated by tabs,
# every project file that went into it. The compiler's own dependency records know. Tests are left
# out: GoogleTest's macros take clang-tidy half a minute a file.
sources_with_headers() {
  ninja -C build/release -t deps | awk -v root="$PWD/" '
    function flush() { if (line != "") print line; line = "" }
    /^[^ ]/ { flush(); source = ""; next }
    !NF { next }
    { path = substr($0, 5) }
    source == "" {
      source = path
      wanted = path ~ /\.(cc|c)$/ && path !~ /_test\.cc$|\/testing\// &&
        (index(path, root "src/") == 1 || index(path, root "bench/") == 1)
    }
    wanted && index(path, root) == 1 { line = line (line == "" ? "" : "\t") path }
    END { flush() }'
}

# Prints what a verdict on a source depends on, as one hash: the rules, the tool, the compiler's
# command line, and the text of the source and its headers.
tidy_key() {
  local tool=$1 source=$2
  {
    printf '%s\n' "$tool"
    grep -F -- "-c $source\"" build/release/compile_commands.json
    cat .clang-tidy "${@:2}"
  } | sha256sum | cut -c1-64
}

# Prints, NUL-terminated, source and key of each source that has not passed with that key.
untidied_sources() {
  local tool key
  local -a files
  tool=$(clang-tidy --version)
  while IFS=$'\t' read -r -a files; do
    [[ -f ${files[0]} ]] || continue
    key=$(tidy_key "$tool" "${files[@]}")
    if [[ ! -e $tidy_cache/$key ]]; then printf '%s\0%s\0' "${files[0]}" "$key"; fi
  done < <(sources_with_headers)
}

# Started by xargs in a shell of its own.
tidy_source() {
  local source=$1 key=$2 findings
  # The compile commands are gcc's; a warning flag that clang does not know is no finding.
  if findings=$(clang-tidy -p build/release --quiet --extra-arg=-Wno-unknown-warning-option \
    "$source" 2>&1); then
    touch "$tidy_cache/$key"
    printf '  %s\n' "${source#"$PWD"/}" >&2
  else
    grep -v ' warnings\? generated\.$' <<<"$findings"
    return 1
  fi
}

check_tidy() {
  step "clang-tidy on what changed"
  mkdir -p "$tidy_cache"
  export tidy_cache
  export -f tidy_source
  # shellcheck disable=SC2016 # expanded by the inner shell
  untidied_sources | xargs -0 -r -n 2 -P "$(nproc)" bash -c 'tidy_source "$@"' bash
}

# Runs every check, so that one round shows all there is to mend.
lint_everything() {
  local check failed=()
  require_git
  for check in check_format check_shell check_tidy; do
    "$check" || failed+=("$check")
  done
  ((${#failed[@]} == 0)) || fail "lint found something to mend: ${failed[*]}"
  step "lint: clean"
}
