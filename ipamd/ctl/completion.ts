/** `completion bash|zsh|fish`: what a shell needs to complete our commands and options. Pure. */
import type { Command } from './commands.ts';
import { usage } from './failure.ts';
import { FORMATS } from './output.ts';

const SHELLS = ['bash', 'zsh', 'fish'] as const;
const COMMON = ['--socket', '--json', '--output', '--help'];

/** Throws Failure for another shell. */
export function completion(argv: readonly string[], commands: readonly Command[]): string {
  const [shell, ...more] = argv;
  if (more.length > 0) throw usage(`${JSON.stringify(more[0])} does not go here`, '`completion` takes one SHELL.');
  switch (shell) {
    case 'bash':
      return bash(commands);
    case 'zsh':
      // zsh reads functions of bash by this.
      return `#compdef wellspringctl\nautoload -U +X bashcompinit && bashcompinit\n${bash(commands)}`;
    case 'fish':
      return fish(commands);
    case undefined:
    default:
      throw usage(
        shell === undefined ? '`completion` lacks its SHELL' : `the shell ${JSON.stringify(shell)} is not known`,
        `it is ${SHELLS.join(', ')}.`,
        'Load it with: source <(wellspringctl completion bash)',
      );
  }
}

/** Long options of a command, out of its synopsis and help, so that nothing has to be said twice. */
export function optionsOf({ synopsis, help }: Command): readonly string[] {
  const named = [...`${synopsis}\n${help}`.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option);
  return [...new Set([...named, ...COMMON])];
}

/** Words that a command takes as its first argument. */
function wordsOf({ name }: Command): readonly string[] {
  return name === 'completion' ? SHELLS : [];
}

function bash(commands: readonly Command[]): string {
  const cases = commands.map(
    (command) => `    ${command.name}) words='${[...wordsOf(command), ...optionsOf(command)].join(' ')}' ;;`,
  );
  return `_wellspringctl() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]} words
  COMPREPLY=()
  case $before in
    -o|--output) COMPREPLY=($(compgen -W '${FORMATS.join(' ')}' -- "$word")); return ;;
    --socket|--out|--bundle|--root|analyze) COMPREPLY=($(compgen -f -- "$word")); return ;;
    --protocol) COMPREPLY=($(compgen -W 'tcp udp icmp' -- "$word")); return ;;
  esac
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
    *) words='${commands.map(({ name }) => name).join(' ')}' ;;
  esac
  [ "$COMP_CWORD" -eq 1 ] && words='${commands.map(({ name }) => name).join(' ')} --help'
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _wellspringctl wellspringctl
`;
}

function fish(commands: readonly Command[]): string {
  const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => [
    `complete -c wellspringctl -n __fish_use_subcommand -f -a ${command.name} -d ${quoted(command.summary)}`,
    ...optionsOf(command).map(
      (option) => `complete -c wellspringctl -n '__fish_seen_subcommand_from ${command.name}' -l ${option.slice(2)}`,
    ),
    ...wordsOf(command).map(
      (word) => `complete -c wellspringctl -n '__fish_seen_subcommand_from ${command.name}' -f -a ${word}`,
    ),
  ]);
  return `${lines.join('\n')}\ncomplete -c wellspringctl -s o -x -a '${FORMATS.join(' ')}'\n`;
}
