import { PAUSE_IMAGE } from './pause-image.ts';

/** Where one containerd has its things; all paths absolute. */
export interface ContainerdPaths {
  readonly socket: string;
  readonly cniBinDir: string;
  readonly cniConfDir: string;
}

/**
 * containerd's configuration (version 2, as 1.6 and 2.x read it). Root and state stay at their usual places, because the
 * node's mount namespace makes them private; only the socket lies where the test can reach it.
 * restrict_oom_score_adj: without CAP_SYS_RESOURCE (a container, this project's CI) runc may not lower the score and
 * dies of it.
 */
export function containerdConfig(paths: ContainerdPaths): string {
  const quoted = (text: string): string => JSON.stringify(text);
  return `version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs", "io.containerd.internal.v1.opt",
]

[grpc]
  address = ${quoted(paths.socket)}

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = ${quoted(PAUSE_IMAGE)}
  restrict_oom_score_adj = true
  disable_apparmor = true

  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = ${quoted(paths.cniBinDir)}
    conf_dir = ${quoted(paths.cniConfDir)}

  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"

    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
`;
}
