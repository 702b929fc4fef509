/**
 * The guest's first user space: busybox and two modules, which mount this machine's root read-only under a memory
 * overlay and hand over to a script of ours. What the guest writes is gone with it.
 */
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '#test/support/command.ts';
import type { GuestKernel } from './kernel.ts';

/** Busybox, linked statically (Debian package busybox-static). */
export const BUSYBOX = '/bin/busybox';

const INIT = `#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /host /memory /modules /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox insmod /overlay.ko
/bin/busybox mount -t virtiofs -o ro host /host
/bin/busybox mount -t tmpfs memory /memory
/bin/busybox mkdir /memory/upper /memory/work
/bin/busybox mount -t overlay -o lowerdir=/host,upperdir=/memory/upper,workdir=/memory/work root /root
for word in $(/bin/busybox cat /proc/cmdline); do
  case "$word" in wellspring.*) export "\${word#wellspring.}" ;; esac
done
/bin/busybox mkdir -p "/root/usr/lib/modules/$(/bin/busybox uname -r)"
/bin/busybox mount -o bind "/host$modules/$(/bin/busybox uname -r)" "/root/usr/lib/modules/$(/bin/busybox uname -r)"
/bin/busybox mount -o move /proc /root/proc
/bin/busybox mount -o move /dev /root/dev
exec /bin/busybox switch_root /root /bin/bash "$script"
`;

/** Writes a gzipped cpio archive to `path`. */
export async function buildInitramfs(kernel: GuestKernel, path: string): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'wellspring-vm-'));
  try {
    await mkdir(join(directory, 'bin'));
    await copyFile(BUSYBOX, join(directory, 'bin', 'busybox'));
    await writeFile(join(directory, 'init'), INIT, { mode: 0o755 });
    const overlay = join(kernel.modules, kernel.version, 'kernel', 'fs', 'overlayfs', 'overlay.ko');
    const script = 'xz -dc "$1" > overlay.ko && find . | cpio -o -H newc --quiet | gzip -1 > "$2"';
    await runCommand('bash', ['-c', `set -o pipefail; ${script}`, 'pack', `${overlay}.xz`, path], { cwd: directory });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
