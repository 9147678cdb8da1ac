export { FaultProxy, type Fault, type FaultProxyOptions, type ProxiedRequest } from "./fault-proxy";
