/**
 * A small virtual machine with this machine's files and another kernel, emulated in full (no hardware support is
 * needed). It runs one script and is gone.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from '#test/support/until.ts';
import { existsSync } from 'node:fs';
import { cacheDirectory, type GuestKernel } from './kernel.ts';
import { buildInitramfs } from './initramfs.ts';

/** Debian keeps it beside QEMU's other helper programs, off the PATH. */
export const VIRTIOFSD = ['/usr/lib/qemu/virtiofsd', '/usr/libexec/virtiofsd'];

export interface MachineOptions {
  readonly kernel: GuestKernel;
  /**
   * Bash, run as the guest's process 1 with /proc and /dev there; its exit status is the result. It is given a directory that
   * guest and host both have as long as the machine runs.
   */
  readonly script: (directory: string) => string | Promise<string>;
  readonly memoryMib: number;
  /** Everything the guest's console shows. */
  readonly onOutput: (text: string) => void;
  readonly signal: AbortSignal;
}

const MARK = 'wellspring-guest-exit';
/** What every amd64 program runs on, and little more: AVX and protection keys, which V8 would use, are young in QEMU's emulation. */
const PROCESSOR = 'Nehalem';
/** Beside other work an emulated processor may be without time for seconds: no reason to doubt its timer (the kernel panics) or it. */
const PATIENT = 'no_timer_check nowatchdog';

/** The script's exit status. Rejects when the machine ends without telling one, or when the signal aborts. */
export async function runInMachine(options: MachineOptions): Promise<number> {
  // On the shared root, not in /tmp: the guest mounts a /tmp of its own.
  await removeStrays();
  const directory = await mkdtemp(join(cacheDirectory(), `run-${process.pid}-`));
  const children: ChildProcess[] = [];
  try {
    const script = join(directory, 'script.sh');
    await writeFile(script, guestScript(await options.script(directory)));
    const initramfs = join(directory, 'initramfs.gz');
    await buildInitramfs(options.kernel, initramfs);
    const socket = join(directory, 'fs.sock');
    children.push(shareRoot(socket));
    await until('virtiofsd listens', 60_000, () => existsSync(socket));
    const machine = emulate(options, { script, initramfs, socket });
    children.push(machine);
    return await result(machine, options);
  } finally {
    for (const child of children) child.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

/** What runs that were killed have left. */
async function removeStrays(): Promise<void> {
  const runs = (await readdir(cacheDirectory())).filter((name) => name.startsWith('run-'));
  const gone = runs.filter((name) => !existsSync(`/proc/${/^run-(\d+)-/.exec(name)?.[1] ?? 'none'}`));
  for (const name of gone) await rm(join(cacheDirectory(), name), { recursive: true, force: true });
}

function guestScript(script: string): string {
  return `export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t sysfs sys /sys
mount -t cgroup2 cgroup /sys/fs/cgroup
mkdir -p /dev/pts && mount -t devpts pts /dev/pts
for directory in /tmp /run /var/lib/wellspring; do mkdir -p $directory; mount -t tmpfs memory $directory; done
ip link set lo up
( ${script} )
echo "${MARK} $?"
sync
echo o > /proc/sysrq-trigger
sleep 60
`;
}

function shareRoot(socket: string): ChildProcess {
  const program = VIRTIOFSD.find((path) => existsSync(path));
  if (program === undefined) throw new Error(`virtiofsd is not at ${VIRTIOFSD.join(' or ')}`);
  const args = [`--socket-path=${socket}`, '-o', 'source=/', '-o', 'sandbox=chroot', '-o', 'cache=always'];
  return spawn(program, args, { stdio: 'ignore' });
}

interface Parts {
  readonly script: string;
  readonly initramfs: string;
  readonly socket: string;
}

function emulate({ kernel, memoryMib }: MachineOptions, { script, initramfs, socket }: Parts): ChildProcess {
  const command = `${PATIENT} console=ttyS0 quiet loglevel=1 panic=-1 wellspring.script=${script} wellspring.modules=${kernel.modules}`;
  const memory = `memory-backend-memfd,id=memory,size=${memoryMib}M,share=on`;
  const options = [
    ['-accel', 'tcg,thread=multi', '-machine', 'q35,memory-backend=memory', '-cpu', PROCESSOR, '-smp', '2'],
    ['-m', `${memoryMib}M`, '-object', memory],
    ['-chardev', `socket,id=fs,path=${socket}`, '-device', 'vhost-user-fs-pci,chardev=fs,tag=host'],
    ['-kernel', kernel.image, '-initrd', initramfs, '-append', command],
    ['-nodefaults', '-display', 'none', '-serial', 'stdio', '-nic', 'none', '-no-reboot'],
  ];
  return spawn('qemu-system-x86_64', options.flat(), { stdio: ['ignore', 'pipe', 'pipe'] });
}

async function result(machine: ChildProcess, { onOutput, signal }: MachineOptions): Promise<number> {
  let tail = '';
  let status: number | undefined;
  const complaints: string[] = [];
  machine.stderr?.setEncoding('utf8').on('data', (text: string) => complaints.push(text));
  machine.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${tail}${text.replaceAll('\r', '')}`.split('\n');
    tail = lines.pop() ?? '';
    for (const line of lines) {
      const told = new RegExp(`^${MARK} (\\d+)$`).exec(line)?.[1];
      if (told !== undefined) status = Number(told);
      else if (status === undefined) onOutput(`${line}\n`);
    }
  });
  await once(machine, 'close', { signal });
  if (status === undefined)
    throw new Error(`the machine ended before its script did: ${complaints.join('').trim() || 'see its output'}`);
  return status;
}
