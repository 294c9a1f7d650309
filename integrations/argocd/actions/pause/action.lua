-- Holds the rollout at its weight; checks go on and can roll it back.
local os = require("os")
local status = obj.status or {}
local version = status.candidate
if version == nil then
  error("no rollout is in flight", 0)
end
obj.metadata.annotations = obj.metadata.annotations or {}
obj.metadata.annotations["modelramp.io/request"] = "pause/" .. version.revision .. "/argocd-" .. os.time()
return obj
