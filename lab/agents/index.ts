export { SimulatedAgents, type SimulatedAgentsOptions } from "./simulated-agents";
