def test_smoke(server, kit):
    r = server.infer(kit.users_request("u1","u2","nobody"))
    print(r.status, r.headers, r.body)
    for p in ["/v2","/v2/models/coupon-redemption","/v2/models/coupon-redemption/ready","/v1/models","/metrics","/v2/models/x"]:
        r=server.get(p); print(p,r.status,r.body.decode())
    print(server.log())
    import time
    t=time.time(); print(server.stop(), time.time()-t, server.log())
    assert 0
