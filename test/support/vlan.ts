/** Whether this kernel can make VLAN links (8021q), asked of a namespace of its own. */
import { execFileSync } from 'node:child_process';

export function hasVlan(): boolean {
  if (process.getuid?.() !== 0) return false;
  try {
    const link = ['link', 'add', 'link', 'lo', 'name', 'v', 'type', 'vlan', 'id', '7'];
    execFileSync('unshare', ['-n', 'ip', ...link], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
