/** What a test or a lane needs of the machine. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const NEEDS = {
  root: () => process.getuid?.() === 0,
  ip: () => onPath('ip'),
  nft: () => onPath('nft'),
  iptables: () => onPath('iptables') && onPath('iptables-restore'),
  // Not every kernel has its tables any more.
  'iptables-legacy': () => spawnSync('unshare', ['--net', 'iptables-legacy', '-t', 'nat', '-S']).status === 0,
  ipvsadm: () => onPath('ipvsadm'),
  ipset: () => onPath('ipset'),
  ping: () => onPath('ping'),
  conntrack: () => onPath('conntrack'),
  containerd: () => onPath('containerd') && onPath('ctr'),
  runc: () => onPath('runc'),
  gcc: () => onPath('gcc'),
  strace: () => onPath('strace'),
  go: () => onPath('go'),
  etcd: () => onPath('etcd'),
  curl: () => onPath('curl'),
  dig: () => onPath('dig'),
  nc: () => onPath('nc'),
  'qemu-system-x86_64': () => onPath('qemu-system-x86_64'),
  cpio: () => onPath('cpio'),
  depmod: () => onPath('depmod'),
  promtool: () => onPath('promtool'),
  prometheus: () => onPath('prometheus'),
  'apt-get': () => onPath('apt-get'),
  chromium: () => onPath('chromium'),
} as const;

export type Need = keyof typeof NEEDS;

function onPath(tool: string): boolean {
  return (process.env['PATH'] ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .some((directory) => existsSync(`${directory}/${tool}`));
}

/** What is missing, in words; empty when all is there. */
export function missing(...needs: readonly Need[]): string {
  return needs.filter((need) => !NEEDS[need]()).join(', ');
}
