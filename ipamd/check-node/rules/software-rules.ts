/** Programs that change what is ours in the kernel. Pure. */
import { finding, ok, type Finding } from '../finding.ts';
import type { NodeFacts } from '../facts.ts';

const RUNBOOK = 'competing-software.md';

interface Program {
  readonly check: string;
  readonly title: string;
  /** /proc/PID/comm. */
  readonly processes: readonly string[];
  readonly units: readonly string[];
  readonly severity: 'error' | 'warning';
  readonly does: string;
  readonly cure: string;
  /** Its configuration keeps it off what is ours. */
  readonly isTame?: (facts: NodeFacts) => boolean;
}

const PROGRAMS: readonly Program[] = [
  {
    check: 'network-manager',
    title: 'NetworkManager',
    processes: ['NetworkManager'],
    units: ['NetworkManager.service'],
    severity: 'warning',
    does: "configures links it knows nothing of, ENIs and pods' links among them",
    cure: "printf '[keyfile]\\nunmanaged-devices=interface-name:eni*;interface-name:vlan.eth.*\\n' >/etc/NetworkManager/conf.d/99-wellspring.conf && nmcli general reload",
    isTame: ({ software }) =>
      software.unmanagedDevices.some((devices) => /(^|[;:])(interface-name:)?(eni)?\*/.test(devices)),
  },
  {
    check: 'systemd-networkd',
    title: 'systemd-networkd',
    processes: ['systemd-network'],
    units: ['systemd-networkd.service'],
    severity: 'error',
    does: 'removes routes and rules that it did not make whenever it is restarted or an ENI comes',
    cure: "mkdir -p /etc/systemd/networkd.conf.d && printf '[Network]\\nManageForeignRoutingPolicyRules=no\\nManageForeignRoutes=no\\n' >/etc/systemd/networkd.conf.d/80-wellspring.conf && systemctl restart systemd-networkd",
    isTame: ({ software: { networkd } }) =>
      isNo(networkd['ManageForeignRoutingPolicyRules']) && isNo(networkd['ManageForeignRoutes']),
  },
  {
    check: 'nm-cloud-setup',
    title: 'nm-cloud-setup',
    processes: ['nm-cloud-setup'],
    units: ['nm-cloud-setup.service', 'nm-cloud-setup.timer'],
    severity: 'error',
    does: 'gives ENIs addresses of pods, with rules 30200 and 30400 and tables of its own',
    cure: 'systemctl disable --now nm-cloud-setup.timer nm-cloud-setup.service && ip rule del pref 30200; ip rule del pref 30400',
  },
  {
    check: 'firewalld',
    title: 'firewalld',
    processes: ['firewalld'],
    units: ['firewalld.service'],
    severity: 'error',
    does: 'drops forwarded packets of links that are in no zone',
    cure: 'systemctl disable --now firewalld',
  },
  {
    check: 'ufw',
    title: 'ufw',
    processes: ['ufw'],
    units: ['ufw.service'],
    severity: 'warning',
    does: 'drops forwarded packets unless told otherwise',
    cure: 'ufw disable',
  },
  {
    check: 'amazon-vpc-cni',
    title: 'amazon-vpc-cni-k8s (aws-node)',
    processes: ['aws-k8s-agent'],
    units: [],
    severity: 'error',
    does: 'hands out the same addresses and removes what is not its own',
    cure: 'kubectl -n kube-system patch daemonset aws-node --type merge -p \'{"spec":{"template":{"spec":{"nodeSelector":{"wellspring.dev/no-such-node":"true"}}}}}\'',
  },
];

const isNo = (value: string | undefined): boolean => /^(no|false|0|off)$/i.test(value ?? '');

export function softwareRules(facts: NodeFacts): readonly Finding[] {
  const found = PROGRAMS.flatMap((program) => judged(program, facts));
  return [
    ...found,
    ...netUtils(facts),
    ...blindness(facts),
    ...(found.length === 0 ? [ok('competing-software', 'none runs or is enabled')] : []),
  ];
}

function judged(program: Program, facts: NodeFacts): readonly Finding[] {
  const { running, enabledUnits } = facts.software;
  const processes = running.filter(({ name }) => program.processes.includes(name));
  const units = program.units.filter((unit) => enabledUnits.includes(unit));
  if (processes.length === 0 && units.length === 0) return [];
  const runs = processes.map(({ pid }) => `pid ${pid}`).join(', ');
  const how = processes.length > 0 ? `runs here (${runs})` : `is enabled (${units.join(', ')})`;
  if (program.isTame?.(facts) === true)
    return [ok(program.check, `${program.title} ${how}, and is told to leave ours alone`)];
  const severity = processes.length > 0 ? program.severity : 'warning';
  return [finding(program.check, severity, `${program.title} ${how}: it ${program.does}`, program.cure, RUNBOOK)];
}

function netUtils({ software }: NodeFacts): readonly Finding[] {
  const units = software.enabledUnits.filter((unit) => /policy-routes/.test(unit));
  const [first] = software.netUtils;
  if (first === undefined && units.length === 0) return [];
  const seen = `amazon-ec2-net-utils is installed (${first ?? units.join(', ')}): it makes rules and tables with our numbers for every ENI that comes`;
  return [
    finding(
      'ec2-net-utils',
      'warning',
      seen,
      'dnf remove amazon-ec2-net-utils || apt-get remove amazon-ec2-net-utils',
      RUNBOOK,
    ),
  ];
}

function blindness({ software }: NodeFacts): readonly Finding[] {
  if (software.seesHost) return [];
  const seen = "the node's processes are not seen from here: of what runs, only this container is known";
  return [finding('processes', 'info', seen, 'Run it on the node itself, or in a pod with hostPID.', null)];
}
