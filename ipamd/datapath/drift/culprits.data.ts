/** Processes that are known to take away what others put into the kernel; names as in /proc/PID/comm (15 bytes). */
export const KNOWN_CULPRITS: ReadonlyMap<string, string> = new Map([
  ['systemd-network', 'systemd-networkd (ManageForeignRoutes, ManageForeignRoutingPolicyRules)'],
  ['NetworkManager', 'NetworkManager'],
  ['nm-cloud-setup', 'nm-cloud-setup'],
  ['cloud-init', 'cloud-init'],
  ['setup-policy-ro', 'amazon-ec2-net-utils (setup-policy-routes)'],
  ['firewalld', 'firewalld'],
  ['ufw', 'ufw'],
  ['dhclient', 'dhclient'],
  ['dhcpcd', 'dhcpcd'],
  ['connmand', 'connman'],
  ['wickedd', 'wicked'],
  ['aws-k8s-agent', 'amazon-vpc-cni-k8s (aws-k8s-agent)'],
]);
