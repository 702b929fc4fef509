/** Commands about the node itself, which work while the daemon is down: their help, and who does the work. */
import { analyze, doctor } from './doctor.ts';
import { bundle } from './bundle.ts';
import type { Command } from './commands.ts';
import { traceCommand } from './trace.ts';

const own = { path: () => '/v1/status', show: String } as const;

export const NODE_COMMANDS: readonly Command[] = [
  {
    name: 'doctor',
    synopsis: '[--no-cloud] [--root DIR]',
    summary: 'checks this node: kernel, other software, other CNIs, files, daemon, metadata, permissions',
    help: [
      'Each finding has its gravity, what was seen, the command that mends it, and a runbook. It changes nothing: permissions are',
      'asked with DryRun, and what the kernel can do is tried in a network namespace of its own. Needs root; works without ipamd.',
      '--no-cloud  ask neither instance metadata nor EC2',
      '--root DIR  where the files of the node are (default /; /host in a container that has them there)',
      'Exit status 3: a finding is an error.',
    ].join('\n'),
    work: doctor,
    ...own,
  },
  {
    name: 'trace',
    synopsis: 'POD DESTINATION [--protocol tcp|udp|icmp [--port N]] [--bundle FILE]',
    summary: 'the way of a packet from a pod, and where it is dropped',
    help: [
      "Follows the first packet of a connection through the pod's namespace, nftables of everybody, source check, rules, tables, next",
      'hop, translation, what the VPC says of its source, and the way back. POD is namespace/name, name, container id, address or',
      'host link; DESTINATION an address or a pod of this node. What depends on protocol or port is judged where they are given.',
      '--bundle FILE  of the node that the bundle was made on, instead of this one',
      'Exit status 3: the packet is dropped.',
    ].join('\n'),
    work: traceCommand,
    ...own,
  },
  {
    name: 'bundle',
    synopsis: '[--out FILE] [--redact-accounts] [--no-cloud] [--root DIR]',
    summary: 'an archive for support: status, explanations, calls, kernel state, logs, without credentials',
    help: [
      'A tar.gz (default wellspring-TIME.tar.gz, mode 0600) with the facts that `analyze` judges, what introspection and metrics say,',
      'the kernel as text, logs and the CNI configuration. --out - is standard output. Keys, tokens, passwords and certificates are taken out of all of it.',
      '--redact-accounts  account numbers become account-1, account-2, ...',
      '--no-cloud         ask neither instance metadata nor EC2      --root DIR  where the files of the node are',
    ].join('\n'),
    work: bundle,
    ...own,
  },
  {
    name: 'analyze',
    synopsis: 'BUNDLE',
    summary: 'the checks of `doctor`, on a bundle, anywhere',
    help: 'Prints the findings that `doctor` had on the node when the bundle was made. Exit status 3: a finding is an error.',
    work: analyze,
    ...own,
  },
];
