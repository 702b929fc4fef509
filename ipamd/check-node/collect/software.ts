/** Programs of the node that change what we put into the kernel, and how they are configured. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { KNOWN_CULPRITS } from '../../datapath/drift/culprits.data.ts';
import type { ProcessFact, SoftwareFacts } from '../facts.ts';
import { namespaceOf, processesIn } from './processes.ts';

/** Units that matter when systemd starts them. */
const UNITS = [
  'NetworkManager.service',
  'systemd-networkd.service',
  'nm-cloud-setup.service',
  'nm-cloud-setup.timer',
  'firewalld.service',
  'ufw.service',
  'policy-routes@.service',
  'refresh-policy-routes@.timer',
];
const WANTS = ['etc/systemd/system', 'usr/lib/systemd/system', 'lib/systemd/system'];
const NET_UTILS = [
  'usr/lib/udev/rules.d/99-vpc-policy-routes.rules',
  'usr/bin/setup-policy-routes',
  'etc/udev/rules.d/70-ec2-nics.rules',
  'etc/udev/rules.d/53-ec2-network-interfaces.rules',
];
/** The kernel's own thread: seen where the processes of the whole machine are. */
const KERNEL_THREAD = 'kthreadd';

/** `root` is where the node's files are; `netns` its network namespace. What cannot be read is as if it were not there. */
export async function collectSoftware(root: string, netns?: string): Promise<SoftwareFacts> {
  const [running, second, enabledUnits, networkd, unmanagedDevices, netUtils] = await Promise.all([
    competitors(await namespaceOf(netns)),
    textOf('/proc/2/comm'),
    enabled(root),
    networkdSettings(root),
    unmanaged(root),
    present(root, NET_UTILS),
  ]);
  return { running, seesHost: second.trim() === KERNEL_THREAD, enabledUnits, networkd, unmanagedDevices, netUtils };
}

/** Only processes of this network namespace can touch its routes. */
async function competitors(namespace: string): Promise<readonly ProcessFact[]> {
  return (await processesIn(namespace)).filter(({ name }) => KNOWN_CULPRITS.has(name));
}

async function enabled(root: string): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const directory of WANTS) {
    const groups = await readdir(join(root, directory)).catch(() => []);
    for (const group of groups.filter((name) => name.endsWith('.wants')))
      for (const unit of await readdir(join(root, directory, group)).catch(() => []))
        if (UNITS.includes(unit.replace(/@[^.]*\./, '@.'))) found.add(unit);
  }
  return [...found].toSorted();
}

/** The last assignment counts, drop-ins after the file (systemd-networkd's networkd.conf(5)). */
async function networkdSettings(root: string): Promise<Readonly<Record<string, string>>> {
  const places = ['usr/lib/systemd/networkd.conf.d', 'run/systemd/networkd.conf.d', 'etc/systemd/networkd.conf.d'];
  const texts = [
    await textOf(join(root, 'etc/systemd/networkd.conf')),
    ...(await Promise.all(places.map((place) => textsIn(join(root, place), '.conf')))).flat(),
  ];
  const settings: Record<string, string> = {};
  for (const [, key = '', value = ''] of texts.join('\n').matchAll(/^\s*(ManageForeign\w+)\s*=\s*(\S+)/gm))
    settings[key] = value;
  return settings;
}

async function unmanaged(root: string): Promise<readonly string[]> {
  const texts = [
    await textOf(join(root, 'etc/NetworkManager/NetworkManager.conf')),
    ...(await textsIn(join(root, 'usr/lib/NetworkManager/conf.d'), '.conf')),
    ...(await textsIn(join(root, 'etc/NetworkManager/conf.d'), '.conf')),
  ];
  return [...texts.join('\n').matchAll(/^\s*unmanaged-devices\s*\+?=\s*(.+)$/gm)].map(([, value = '']) => value.trim());
}

async function present(root: string, paths: readonly string[]): Promise<readonly string[]> {
  const found = await Promise.all(
    paths.map(async (path) => ((await textOf(join(root, path))) === '' ? [] : [`/${path}`])),
  );
  return found.flat();
}

async function textsIn(directory: string, ending: string): Promise<readonly string[]> {
  const files = (await readdir(directory).catch(() => [])).filter((name) => name.endsWith(ending)).toSorted();
  return Promise.all(files.map((file) => textOf(join(directory, file))));
}

function textOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
