import { execFileSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Child } from '../machine/child.ts'
import type { Peer } from './peer.ts'

/** Each client takes two of them. It is also as many files as a process may open by default in many containers. */
const WORKER_CONNECTIONS = 20_000

/** nginx with one worker and everything at its default, except what `extra` says. */
const configuration = (folder: string, port: number, apps: readonly number[], extra: string) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
events { worker_connections ${WORKER_CONNECTIONS}; }
http {
  access_log off;
${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  upstream apps {
    hash $http_ws_user_id consistent;
${apps.map(app => `    server 127.0.0.1:${app};`).join('\n')}
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://apps;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_read_timeout 1h;
      ${extra}
    }
  }
}
`

const make = (name: string, title: string, what: string, extra: string): Peer => ({
  name,
  title,
  shape: 'proxy',
  needs: { command: 'nginx', package: 'nginx' },
  about() {
    // It prints its version on standard error, which needs a shell to be had here.
    const version = execFileSync('sh', ['-c', 'nginx -v 2>&1'], { encoding: 'utf8' })
    return `${version.trim().replace('nginx version: ', '')}, one worker, ${what}, \`hash $http_ws_user_id consistent\``
  },
  async start({ core, apps, ports: [port], folder }) {
    const file = join(folder, 'nginx.conf')
    await writeFile(file, configuration(folder, port, apps, extra))
    // Before it has read the file, it would write to the log of an installed nginx.
    const child = await Child.start(['nginx', '-p', folder, '-e', 'stderr', '-c', file], { core })
    return { children: [child], ports: [port] }
  },
})

export const nginx = make('nginx', 'nginx', 'default buffers', '')

export const nginx64k = make(
  'nginx-64k',
  'nginx, 64 KiB buffers',
  '`proxy_buffer_size 64k`',
  'proxy_buffer_size 64k; proxy_buffers 4 64k; proxy_busy_buffers_size 64k;',
)
