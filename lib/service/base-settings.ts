import { Type } from 'typebox'
import { LOG_LEVELS } from './log/log.ts'
import { DEFAULT_ADMIN_PORT } from './names.ts'

/** Settings of every program. */
export const baseSettings = (port: number) => ({
  HOST: Type.String({ default: '0.0.0.0', description: 'Address to listen on.' }),
  PORT: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: port,
    description: 'Port to listen on; 0 takes a free one.',
  }),
  ADMIN_HOST: Type.String({ default: '0.0.0.0', description: 'Address of the admin server.' }),
  ADMIN_PORT: Type.Integer({
    minimum: 0,
    maximum: 65_535,
    default: DEFAULT_ADMIN_PORT,
    description: 'Port of the admin server: /healthz, /readyz, /metrics.',
  }),
  INSTANCE: Type.String({
    default: '',
    description: "Name of this instance in headers and logs; if empty, the host name (in Kubernetes the pod's name).",
  }),
  LOG_LEVEL: Type.String({
    enum: [...LOG_LEVELS],
    default: 'info',
    description: 'Minimum level of log lines, which are JSON on standard output.',
  }),
  SHUTDOWN_SECONDS: Type.Integer({
    minimum: 1,
    maximum: 3600,
    default: 25,
    description: 'Maximum time from SIGTERM to the end of the process; keep it below terminationGracePeriodSeconds.',
  }),
})
