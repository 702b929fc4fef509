/** Commands about a migration from amazon-vpc-cni-k8s and back: their help, and who does the work. */
import type { Command } from './commands.ts';
import { migrateBack } from './migrate-back.ts';
import { preflightCommand } from './preflight.ts';

const own = { path: () => '/v1/status', show: String } as const;

export const MIGRATE_COMMANDS: readonly Command[] = [
  {
    name: 'preflight',
    synopsis: '[--checkpoint FILE] [--without LOSS[,LOSS]]',
    summary: 'what a migration from amazon-vpc-cni-k8s would do on this node, and what speaks against it',
    help: [
      'Reads its checkpoint, the kernel (links, rules, nf_tables, iptables-legacy) and, with KUBECONFIG or a service account, network',
      'policies, security groups for pods and the DaemonSet aws-node. Changes nothing; needs root and no ipamd.',
      '--checkpoint FILE  default $AWS_VPC_K8S_CNI_BACKING_STORE, then /var/run/aws-node/ipam.json',
      '--without LOSS     accept that this ends: network-policy, branch-pods (WELLSPRING_MIGRATE_WITHOUT tells ipamd the same)',
      'Exit status 3: refused. ipamd refuses to start for the same reasons, as far as it may ask the API server.',
    ].join('\n'),
    work: preflightCommand,
    ...own,
  },
  {
    name: 'migrate-back',
    synopsis: '[--yes] [--without host-ports]',
    summary: 'hands this node back to amazon-vpc-cni-k8s, with its pods running',
    help: [
      'Writes the checkpoint that the peer reads, gives pods the names, rules and routes that it knows, and puts our journal aside. Run it',
      "as root with ipamd's environment, after ipamd has ended; without --yes nothing is changed. Then install the peer, and when it",
      'runs, `wellspringctl cleanup --yes` removes the one nftables table that stays for the time between.',
      '--without host-ports  pods whose host ports ipamd publishes go back without them',
      'Exit status 3: there are pods that cannot go back; they are named.',
    ].join('\n'),
    work: migrateBack,
    ...own,
  },
];
