import type { Container } from 'kubernetes-types/core/v1.d.ts'
import {
  DEFAULT_ADMIN_PORT,
  headlessServiceName,
  SIDECAR_CONTAINER,
  SIDECAR_PORT_NAME,
} from '../../lib/service/names.ts'
import type { SidecarVariable } from '../annotations/annotation.ts'
import { DEFAULTS, type Settings, SHUTDOWN_SECONDS } from '../annotations/annotations.ts'
import { annotatedVariables } from '../annotations/destinations.ts'
import type { Rendering } from '../config.ts'
import { tokenVariable } from '../decorator/pod-token.ts'
import type { Deployment } from '../requests/schemas.ts'
import { fromPod, nodeBeforeStop, PROGRAM_ARGS, probes, restrictedContainer, variables } from './container-defaults.ts'
import type { Ports } from './ports.ts'
import { otherContainers, sidecarResources } from './resources.ts'

/** Name of the headless Service that has a Deployment's sidecars as endpoints. */
export const headlessService = ({ metadata }: Deployment, settings: Settings): string =>
  settings['headless-service'] ?? headlessServiceName(metadata.name)

/** The sidecar container of a Deployment: all that we own in its pod template. */
export function sidecarContainer(
  deployment: Deployment,
  settings: Settings,
  ports: Ports,
  { IMAGE, IMAGE_PULL_POLICY, CLUSTER_DOMAIN, MASTER_KEY_FILE, TOKEN_REQUIRED }: Rendering,
): Container {
  const { namespace } = deployment.metadata
  const service = headlessService(deployment, settings)
  const discovery = settings.discovery ?? 'dns'
  const { EXPOSE_TOPOLOGY, LOG_LEVEL, ...annotated } = annotatedVariables(settings)
  const hasToken = MASTER_KEY_FILE.length > 0
  return {
    name: SIDECAR_CONTAINER,
    image: settings['sidecar-image'] ?? IMAGE,
    imagePullPolicy: IMAGE_PULL_POLICY,
    args: PROGRAM_ARGS.sidecar,
    ...(settings['sidecar-mode'] === 'classic' ? {} : { restartPolicy: 'Always' as const }),
    ports: [{ name: SIDECAR_PORT_NAME, containerPort: ports.sidecar, protocol: 'TCP' }],
    env: [
      fromPod('POD_IP', 'status.podIP'),
      fromPod('WS_OPERATOR_INSTANCE', 'metadata.name'),
      ...variables<SidecarVariable>({
        PORT: ports.sidecar,
        ADMIN_PORT: ports.admin === DEFAULT_ADMIN_PORT ? undefined : ports.admin,
        APP_PORT: ports.app,
        SELF: `$(POD_IP):${ports.sidecar}`,
        DISCOVERY: discovery,
        SRV_DNS_RECORD:
          discovery === 'dns' ? `_${SIDECAR_PORT_NAME}._tcp.${service}.${namespace}.svc.${CLUSTER_DOMAIN}.` : undefined,
        SERVICE: discovery === 'kubernetes' ? `${namespace}/${service}` : undefined,
        TARGET: `${namespace}/${deployment.metadata.name}`,
        ...annotated,
        DRAIN_SECONDS: settings['drain-seconds'] ?? DEFAULTS['drain-seconds'],
        SHUTDOWN_SECONDS,
        TOKEN_REQUIRED: hasToken && !TOKEN_REQUIRED ? 'false' : undefined,
        EXPOSE_TOPOLOGY,
        LOG_LEVEL,
      }),
      ...(hasToken ? [tokenVariable(deployment)] : []),
    ],
    ...probes(ports.admin),
    // SIGTERM is too late: a native sidecar gets it after the app has ended.
    lifecycle: nodeBeforeStop(...PROGRAM_ARGS.sidecar, 'drain'),
    resources: sidecarResources(settings, otherContainers(deployment.spec.template.spec, SIDECAR_CONTAINER)),
    securityContext: restrictedContainer(),
  }
}
